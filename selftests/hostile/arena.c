// SPDX-License-Identifier: GPL-2.0
/*
 * The contested memory.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attacker.h"

/* That of this process, for the signal handler. */
static struct attack *under_attack;

/* Not the last one, so that one can say two. */
char *arena_page(struct attacker *self)
{
	return self->attack->arena + below(&self->dice, ARENA_PAGES - 1) * PAGE;
}

struct umcg_task *arena_task(struct attacker *self)
{
	char *page = arena_page(self);

	return (struct umcg_task *)page + below(&self->dice, TASKS_IN_PAGE);
}

/* Ends all notifications of the calling thread, whose memory for them is gone. */
static void forget_desched(void)
{
	struct umcg_desched_args args = { .size = sizeof(args) };

	for (args.cookie = 0; args.cookie < COOKIES; args.cookie++)
		umcg_ioctl(UMCG_IOC_DESCHED_REMOVE, &args);
}

/* An access to a page that is missing or read-only maps a new one. */
static void bring_page(int signal, siginfo_t *info, void *context)
{
	const uintptr_t offset = (char *)info->si_addr - under_attack->arena;

	(void)context;
	if (info->si_code == SI_KERNEL) {
		forget_desched();
		return;
	}
	if (offset >= ARENA_SIZE) {
		/* This is no part of the attack. */
		printf("attack %llu: signal %d for %p\n",
		       (unsigned long long)under_attack->number, signal, info->si_addr);
		fflush(stdout);
		_exit(1);
	}
	mmap(under_attack->arena + offset / PAGE * PAGE, PAGE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

void arena_begin(struct attack *attack)
{
	const struct sigaction action = {
		.sa_sigaction = bring_page,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	under_attack = attack;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}
