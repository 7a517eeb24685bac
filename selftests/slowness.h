/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Timeouts. A debug kernel is several times slower than others; UMCG_SLOWNESS in the
 * environment has the factor.
 */
#ifndef SLOWNESS_H
#define SLOWNESS_H

#include <stdlib.h>

/*
 * The harness takes its timeout from a constant, so this one is for a slow kernel. Tests
 * have shorter timeouts: alarm() or those of their waits.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	120

static inline unsigned int slowness(void)
{
	const char *times = getenv("UMCG_SLOWNESS");

	return times ? strtoul(times, NULL, 10) : 1;
}

#endif /* SLOWNESS_H */
