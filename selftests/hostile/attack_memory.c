// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on the contested memory and the descriptors.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attacker.h"

/* Unmaps a page, or replaces it by another one of any kind. */
void op_map(struct attacker *self)
{
	char *page = arena_page(self);
	const unsigned int kind = below(&self->dice, 6);
	int flags = MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE;
	int file = -1;

	switch (kind) {
	case 0:
		THROW(self, SYS_munmap, page, PAGE);
		return;
	case 1:
		flags = MAP_FIXED | MAP_ANONYMOUS | MAP_SHARED;
		break;
	case 2:
	case 3:
		file = self->attack->memory_file;
		flags = MAP_FIXED | (kind == 2 ? MAP_SHARED : MAP_PRIVATE);
		break;
	case 4:
		flags |= MAP_POPULATE;
		break;
	}
	THROW(self, SYS_mmap, page, PAGE, PROT_READ | PROT_WRITE, flags, file,
	      file < 0 ? 0 : page - self->attack->arena);
}

void op_protect(struct attacker *self)
{
	static const int protections[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
	};
	char *page = arena_page(self);
	const int protection = protections[below(&self->dice, ARRAY_SIZE(protections))];

	THROW(self, SYS_mprotect, page, PAGE * (1 + below(&self->dice, 2)), protection);
}

void op_advise(struct attacker *self)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED,
		MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_MERGEABLE,
		MADV_REMOVE, MADV_POPULATE_WRITE,
	};
	char *page = arena_page(self);
	const int advice = advices[below(&self->dice, ARRAY_SIZE(advices))];

	THROW(self, SYS_madvise, page, PAGE * (1 + below(&self->dice, 2)), advice);
}

/* Moves a page to where another one was. */
void op_move(struct attacker *self)
{
	char *from = arena_page(self), *to = arena_page(self);
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED |
			  (below(&self->dice, 2) ? MREMAP_DONTUNMAP : 0);

	THROW(self, SYS_mremap, from, PAGE, PAGE, flags, to);
}

/* The words of a group in direct mode, on which the kernel must not rely. */
static void scribble_group(struct attacker *self)
{
	volatile struct umcg_direct_group *group =
		(void *)(arena_page(self) + PAGE - sizeof(*group));
	const uint64_t bits = dice_bits(&self->dice);
	const uint32_t tid = self->attack->attackers[below(&self->dice, ATTACKERS)].tid;
	const unsigned int nr = bits % UMCG_DIRECT_SERVERS;

	switch (below(&self->dice, 8)) {
	case 0:
		group->idle_servers = bits;
		break;
	case 1:
		group->ready[bits % UMCG_DIRECT_RING] = (bits & 1) << 32 | tid;
		break;
	case 2:
		group->ready_ends = bits & 0x0000003f0000003fULL;
		break;
	case 3:
		group->queued = bits & 1;
		break;
	case 4:
		group->watcher_tid = tid;
		break;
	case 5:
		group->server_tid[nr] = tid;
		break;
	case 6:
		group->running[nr] = tid;
		break;
	case 7:
		group->refused_servers = bits;
		break;
	}
}

/* Changes what has nothing to do with this thread. */
void op_scribble(struct attacker *self)
{
	static const uint32_t states[] = {
		NONE, RUNNING, IDLE, BLOCKED, RUNNING | LOCKED, IDLE | LOCKED, RUNNING | PREEMPTED,
		BLOCKED | LOCKED, IDLE | PREEMPTED,
	};
	struct umcg_task *task = arena_task(self);
	char *page = arena_page(self);
	const uint64_t bits = dice_bits(&self->dice);
	const unsigned int which = below(&self->dice, 8);

	if (below(&self->dice, 3) == 0) {
		scribble_group(self);
		return;
	}
	switch (self->attack->manner) {
	case BY_THE_RULES:
		if (which < 4)
			state_may_change(task, RUNNING, RUNNING | PREEMPTED);
		else
			((volatile uint64_t *)(page + WORDS_OFFSET))[which] = 0;
		break;
	case RASH:
		if (which < 4)
			state_replace(task, state_word(task), states[bits % ARRAY_SIZE(states)]);
		else if (which < 6)
			set_next_tid(task, self->attack->attackers[bits % ATTACKERS].tid);
		else
			((volatile uint64_t *)(page + WORDS_OFFSET))[bits % 16] = bits >> 32 & 4095;
		break;
	default:
		((volatile uint64_t *)page)[bits % (PAGE / 8)] = bits;
		((volatile uint64_t *)task)[which] = which & 1 ? bits : (uintptr_t)page + which;
		break;
	}
}

static int some_fd(struct attacker *self)
{
	return FIRST_FD + below(&self->dice, FDS);
}

void op_descriptor(struct attacker *self)
{
	const int fd = some_fd(self), other = some_fd(self);
	int opened;

	switch (below(&self->dice, 4)) {
	case 0:
		THROW(self, SYS_close, fd);
		break;
	case 1:
		THROW(self, SYS_dup3, other, fd, O_CLOEXEC);
		break;
	case 2:
		THROW(self, SYS_dup3, umcg_fd, fd, 0);
		break;
	case 3:
		opened = THROW(self, SYS_openat, AT_FDCWD, UMCG_DEVICE, O_RDWR | O_CLOEXEC);
		THROW(self, SYS_dup3, opened, fd, 0);
		THROW(self, SYS_close, opened);
		break;
	}
}

/* Sends a descriptor to itself, and may leave it on the way. */
void op_pass_descriptor(struct attacker *self)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	char byte = 0;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const int fd = some_fd(self);

	if (below(&self->dice, 2)) {
		control.header = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int)),
		};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		THROW(self, SYS_sendmsg, self->attack->sockets[0], &message, 0);
		return;
	}
	THROW(self, SYS_recvmsg, self->attack->sockets[1], &message, MSG_DONTWAIT);
	if (message.msg_controllen >= CMSG_LEN(sizeof(int))) {
		int received;

		memcpy(&received, CMSG_DATA(&control.header), sizeof(received));
		close(received);
	}
}
