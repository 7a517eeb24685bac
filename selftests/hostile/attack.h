/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An attack: a process whose threads execute the operations of attacker.h at random.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include "attacker.h"

/* The body of the process; returns only if it could not begin. */
int attack_run(void *attack);

#endif /* ATTACK_H */
