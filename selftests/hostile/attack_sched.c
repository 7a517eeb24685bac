// SPDX-License-Identifier: GPL-2.0
/*
 * The short form of a wait, slots, and deschedule notifications.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attacker.h"

void op_fadvise(struct attacker *self)
{
	const int fd = FIRST_FD + below(&self->dice, FDS);
	const unsigned long flags = below(&self->dice, 8) ? below(&self->dice, 4) :
							    dice_bits(&self->dice);
	const unsigned long timeout = below(&self->dice, 4) ? 0 : dice_bits(&self->dice);
	const int advice = below(&self->dice, 16) ? UMCG_FADVISE_WAIT :
						    (int)below(&self->dice, 8);

	set_next_tid(self->task, self->attack->attackers[below(&self->dice, ATTACKERS)].tid);
	THROW(self, SYS_fadvise64, fd, timeout, flags, advice);
}

void op_slot(struct attacker *self)
{
	static const uint32_t flags[] = {
		UMCG_SCHED_STATE_REGISTER, UMCG_SCHED_STATE_REGISTER | UMCG_SCHED_STATE_VCPU,
		UMCG_SCHED_STATE_UNREGISTER, 0,
	};
	struct umcg_sched_state_args args = {
		.size = sizeof(args),
		.flags = flags[below(&self->dice, ARRAY_SIZE(flags))],
		.slot = below(&self->dice, UINT32_MAX),
	};

	THROW(self, SYS_ioctl, umcg_fd, UMCG_IOC_SCHED_STATE, &args);
}

void op_desched(struct attacker *self)
{
	const unsigned int width = 1U << below(&self->dice, 4);
	struct umcg_desched_args args = {
		.size = sizeof(args),
		.cookie = below(&self->dice, COOKIES),
	};
	char *page = arena_page(self);

	if (below(&self->dice, 2)) {
		THROW(self, SYS_ioctl, umcg_fd, UMCG_IOC_DESCHED_REMOVE, &args);
		return;
	}
	args.flags = below(&self->dice, 8);
	args.addr = (uintptr_t)page + below(&self->dice, PAGE / 8) * 8;
	args.width = args.flags & UMCG_DESCHED_WRITE_TIME ? 8 : width;
	args.value = args.flags & UMCG_DESCHED_WRITE_TIME ? 0 : below(&self->dice, 256);
	THROW(self, SYS_ioctl, umcg_fd, UMCG_IOC_DESCHED_ADD, &args);
}

/* Has slots in the place of a page that others write to, or somewhere else. */
void op_see(struct attacker *self)
{
	char *page = arena_page(self);
	const unsigned long offset = below(&self->dice, 3) * PAGE +
				     below(&self->dice, 2) * (UMCG_SCHED_STATE_SIZE - PAGE);
	const int protection = below(&self->dice, 4) ? PROT_READ : PROT_READ | PROT_WRITE;
	const bool elsewhere = below(&self->dice, 2);
	char *slots;

	slots = (char *)THROW(self, SYS_mmap, elsewhere ? NULL : page, PAGE, protection,
			      MAP_SHARED | (elsewhere ? 0 : MAP_FIXED), umcg_fd, offset);
	if (!elsewhere || slots == MAP_FAILED)
		return;
	THROW(self, SYS_mprotect, slots, PAGE, *(volatile int *)slots ? PROT_WRITE : PROT_READ);
	THROW(self, SYS_munmap, slots, PAGE);
}
