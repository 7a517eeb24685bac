// SPDX-License-Identifier: GPL-2.0
/* Two calls of futex, private to the process. */
#include <linux/futex.h>
#include <sys/syscall.h>

#include "bench.h"

void futex_wake(_Atomic uint32_t *word)
{
	syscall_of_3(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, 1);
}

void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	syscall_of_4(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, value, 0);
}
