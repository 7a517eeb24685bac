/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kernel's side of the protocol, in user space and with ordinary threads, so that the
 * library can be tested, also with sanitizers, on any machine. It delays wherever others
 * may interfere.
 */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

/* Uses signals as the interrupt by which a worker is preempted at any instruction. */
void fake_kernel_start(void);

/* It has none of the features from now on. */
void fake_kernel_is_old(void);

/* A system call that blocks for this long. */
void fake_block(unsigned int us);

#endif /* FAKE_KERNEL_H */
