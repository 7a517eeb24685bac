/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kernel's side of the contract, in user space and with ordinary threads, so
 * that the library can be tested, and watched by sanitizers, on any machine. It
 * takes its time wherever somebody may come in between.
 */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

/* Has signals play the interrupt by which a worker is preempted at any instruction. */
void fake_kernel_start(void);

/* A system call that blocks for so long. */
void fake_block(unsigned int us);

#endif /* FAKE_KERNEL_H */
