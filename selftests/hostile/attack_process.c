// SPDX-License-Identifier: GPL-2.0
/*
 * Signals, and threads and processes that come and go.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacker.h"

#define STACK_SIZE	(64 * 1024)
/* How much a child does at most. */
#define CHILD_TURNS	64

/* The child that each attacker has, and one that shares the memory with it. */
static pid_t forked[ATTACKERS], cloned[ATTACKERS];
static char clone_stacks[ATTACKERS][STACK_SIZE] __attribute__((aligned(64)));
static struct attacker clones[ATTACKERS];

/*
 * Calls in a handler are intended, random numbers are not: its timing would make them
 * irreproducible.
 */
static void call_in_handler(int signal)
{
	static _Atomic unsigned int calls;
	struct umcg_wait_args args = { .size = sizeof(args), .abs_timeout = 1 };

	(void)signal;
	switch (calls++ % 4) {
	case 0:
		umcg_ioctl(UMCG_IOC_WAIT, &args);
		break;
	case 1:
		umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
		break;
	}
}

void signals_begin(void)
{
	struct sigaction action = { .sa_handler = call_in_handler, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = 0;
	sigaction(SIGUSR2, &action, NULL);
}

/* Sends a signal to one thread of this process. The judge continues stopped threads. */
void op_signal(struct attacker *self)
{
	static const int signals[] = { SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT };
	const pid_t tid = self->attack->attackers[below(&self->dice, ATTACKERS)].tid;
	const int signal = signals[below(&self->dice, ARRAY_SIZE(signals))];
	const bool stops = below(&self->dice, 200) == 0;

	THROW(self, SYS_tgkill, getpid(), tid, stops ? SIGSTOP : signal);
}

void op_mask(struct attacker *self)
{
	static const int ways[] = { SIG_BLOCK, SIG_UNBLOCK, SIG_UNBLOCK };
	const int way = ways[below(&self->dice, ARRAY_SIZE(ways))];
	const uint64_t set = below(&self->dice, 2) ? 1ULL << (SIGUSR1 - 1) : 1ULL << (SIGUSR2 - 1);

	THROW(self, SYS_rt_sigprocmask, way, &set, NULL, sizeof(set));
}

static void execute(struct attacker *self)
{
	char *const arguments[] = { "attacked", NULL };
	char *const environment[] = { EXECUTED "=1", NULL };

	THROW(self, SYS_execve, "/proc/self/exe", arguments, environment);
}

/* A child: some operations, and then it exits in some way. */
static int lone_main(void *argument)
{
	struct attacker *self = argument;
	const unsigned int end = below(&self->dice, 4);

	self->tid = gettid();
	for (unsigned int turns = below(&self->dice, CHILD_TURNS); turns; turns--)
		self->attack->once_alone(self);
	if (end == 0)
		execute(self);
	if (end == 1)
		syscall(SYS_kill, getpid(), SIGKILL);
	syscall(SYS_exit_group, 0);
	return 0;
}

/* Waits for a killed child: only this attacker does, so the PID is not reused. */
static void end_child(pid_t *child)
{
	if (!*child)
		return;
	syscall(SYS_kill, *child, SIGKILL);
	syscall(SYS_wait4, *child, NULL, 0, NULL);
	*child = 0;
}

/* Does something to a child that may have exited, but was not waited for. */
void op_child(struct attacker *self)
{
	static const int signals[] = { SIGSTOP, SIGCONT, SIGUSR1, SIGTERM, SIGKILL };
	pid_t *child = below(&self->dice, 2) ? &forked[self->number] : &cloned[self->number];
	const int signal = signals[below(&self->dice, ARRAY_SIZE(signals))];

	if (*child)
		THROW(self, SYS_kill, *child, signal);
}

static struct attacker child_of(struct attacker *self)
{
	struct attacker child = *self;

	dice_begin(&child.dice, dice_bits(&self->dice), self->number);
	return child;
}

void op_fork(struct attacker *self)
{
	struct attacker child = child_of(self);
	pid_t pid;

	end_child(&forked[self->number]);
	pid = THROW(self, SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid)
		lone_main(&child);
	if (pid > 0)
		forked[self->number] = pid;
}

/* A process that shares the memory, and registers there. */
void op_clone(struct attacker *self)
{
	struct attacker *child = &clones[self->number];
	const int flags = SIGCHLD | CLONE_VM | (below(&self->dice, 2) ? CLONE_FILES : 0);
	char *stack = clone_stacks[self->number] + STACK_SIZE;
	pid_t pid;

	end_child(&cloned[self->number]);
	*child = child_of(self);
	THROW(self, SYS_sched_yield);
	pid = clone(lone_main, stack, flags, child);
	if (pid > 0)
		cloned[self->number] = pid;
}

void op_vfork(struct attacker *self)
{
	struct umcg_ctl_args args = {
		.size = sizeof(args),
		.flags = SERVER_FLAGS,
		.self = (uintptr_t)arena_task(self),
	};
	const bool executes = below(&self->dice, 2);
	pid_t pid;

	atomic_fetch_add_explicit(self->thrown, 1, memory_order_relaxed);
	pid = vfork();
	if (!pid) {
		THROW(self, SYS_ioctl, umcg_fd, UMCG_IOC_CTL, &args);
		THROW(self, SYS_ioctl, umcg_fd, UMCG_IOC_WAIT, NULL);
		if (executes)
			execute(self);
		_exit(0);
	}
	if (pid > 0)
		syscall(SYS_wait4, pid, NULL, 0, NULL);
}

void op_leave(struct attacker *self)
{
	self->leaves = true;
}

/* The end of the whole process. */
void op_end(struct attacker *self)
{
	switch (below(&self->dice, 64)) {
	case 0:
		THROW(self, SYS_kill, getpid(), SIGKILL);
		break;
	case 1:
		THROW(self, SYS_kill, getpid(), SIGTERM);
		break;
	case 2:
		THROW(self, SYS_exit_group, 0);
		break;
	case 3:
		execute(self);
		break;
	}
}
