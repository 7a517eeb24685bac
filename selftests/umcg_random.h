/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random numbers that are determined by a seed, and what the environment says about a run.
 */
#ifndef UMCG_RANDOM_H
#define UMCG_RANDOM_H

#include <stdint.h>

/* A long run has its own limits; this one is for the harness. */
#define A_DAY		(24 * 3600)

/* Random numbers, the same ones for the same seed and place. */
struct dice {
	uint64_t state;
};

void dice_begin(struct dice *dice, uint64_t seed, uint64_t place);
uint64_t dice_bits(struct dice *dice);
/* A number below @limit. */
unsigned int below(struct dice *dice, unsigned int limit);

uint64_t number_from_environment(const char *name, uint64_t otherwise);
/* UMCG_SEED, or another one each time. */
uint64_t seed_of_run(void);

#endif /* UMCG_RANDOM_H */
