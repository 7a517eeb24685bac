/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How much time things may take. A kernel that watches itself is some times slower than
 * others; UMCG_SLOWNESS in the environment says how many times.
 */
#ifndef SLOWNESS_H
#define SLOWNESS_H

#include <stdlib.h>

/*
 * The harness takes its limit from a constant, so this one is for a slow kernel. Tests
 * have an earlier end of their own: alarm() or what they wait for.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	120

static inline unsigned int slowness(void)
{
	const char *times = getenv("UMCG_SLOWNESS");

	return times ? strtoul(times, NULL, 10) : 1;
}

#endif /* SLOWNESS_H */
