/* SPDX-License-Identifier: GPL-2.0 */
/* What one turn of threads that share a mutex costs, for two kinds of mutexes. */
#ifndef MUTEX_H
#define MUTEX_H

void mutex_measure(void);

#endif
