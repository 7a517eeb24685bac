/* SPDX-License-Identifier: GPL-2.0 */
/* The cost of a critical section of threads that share a mutex, for two kinds of mutexes. */
#ifndef MUTEX_H
#define MUTEX_H

void mutex_measure(void);

#endif
