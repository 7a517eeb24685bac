// SPDX-License-Identifier: GPL-2.0
/*
 * Random numbers that are determined by a seed.
 */
#include <stdlib.h>

#include "umcg_random.h"
#include "umcg_test.h"

void dice_begin(struct dice *dice, uint64_t seed, uint64_t place)
{
	dice->state = (seed + 1) * 0x9e3779b97f4a7c15ULL ^ (place + 1) * 0xd1342543de82ef95ULL;
	/* The first numbers of neighbours would be alike, and zero stays zero. */
	dice->state |= 1;
	for (int i = 0; i < 4; i++)
		dice_bits(dice);
}

/* xorshift64* */
uint64_t dice_bits(struct dice *dice)
{
	dice->state ^= dice->state >> 12;
	dice->state ^= dice->state << 25;
	dice->state ^= dice->state >> 27;
	return dice->state * 0x2545f4914f6cdd1dULL;
}

unsigned int below(struct dice *dice, unsigned int limit)
{
	return (dice_bits(dice) >> 33) % limit;
}

uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoull(value, NULL, 0) : otherwise;
}

uint64_t seed_of_run(void)
{
	return number_from_environment("UMCG_SEED", monotonic_ns());
}
