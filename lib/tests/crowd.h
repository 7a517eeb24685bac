/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Many workers at a time, for the tests on the fake kernel.
 */
#ifndef CROWD_H
#define CROWD_H

#include <stdbool.h>

#include "fake_kernel.h"
#include "libumcg_crew.h"
#include "test.h"

#define WORKERS	8
#define ROUNDS	1000

/* Worker i and worker i ^ 1 are partners. A token is what a test makes of it. */
extern struct member workers[WORKERS];
extern _Atomic int tokens[WORKERS];
/* Whether all have been joined. */
extern _Atomic bool is_over;

unsigned int random_number(void);
void start_workers(int count, void (*body)(struct member *));
/* Returns how much they have done in all. */
long join_workers(int count);

#endif /* CROWD_H */
