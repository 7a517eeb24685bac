// SPDX-License-Identifier: GPL-2.0
/*
 * The operations of the threads of an attack, and their order, which depends only on the
 * seed.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"

#define NOBODY		65534
/* Many small stacks: threads come and go. */
#define STACK_SIZE	(64 * 1024)
/* The interval between runs of the nurse. */
#define NURSE_NS	1000000

static void throw_ioctl(struct attacker *self, unsigned int command, const void *argument)
{
	THROW(self, SYS_ioctl, FIRST_FD + below(&self->dice, FDS), command, argument);
}

/* A TID: usually of this process, else of others. */
static uint32_t some_tid(struct attacker *self)
{
	static const uint32_t odd[] = { 0, 1, 2, INT_MAX, UINT32_MAX, 1U << 31 };
	struct attack *attack = self->attack;
	const unsigned int which = below(&self->dice, ARRAY_SIZE(odd) * 2);
	const unsigned int kind = below(&self->dice, 8);

	if (kind < 6)
		return attack->attackers[which % ATTACKERS].tid;
	if (kind < 7 && which & 1)
		return attack->witnesses[1]->tids[which / 2 % 6];
	if (kind < 7)
		return attack->witnesses[0]->tids[which / 2 % 2];
	return which < ARRAY_SIZE(odd) ? odd[which] : below(&self->dice, 4096);
}

/* An address that is usually invalid in some way. */
static void *some_address(struct attacker *self)
{
	static const uint64_t odd[] = {
		0, 1, 64, 4096, KERNEL_ADDRESS, UINT64_MAX, 1ULL << 63, 0x7fffffffffc0,
		0xffffffffff600000,
	};
	char *page = arena_page(self);

	switch (below(&self->dice, 4)) {
	case 0:
		return (void *)(uintptr_t)odd[below(&self->dice, ARRAY_SIZE(odd))];
	case 1:
		return page + below(&self->dice, PAGE);
	case 2:
		return page + PAGE - 4;
	default:
		return page + below(&self->dice, PAGE / 64) * 64;
	}
}

static uint32_t some_size(struct attacker *self)
{
	static const uint32_t odd[] = { 0, 4, 15, 17, 24, 32, 4096, 4097, UINT32_MAX };

	return below(&self->dice, 4) ? 16 : odd[below(&self->dice, ARRAY_SIZE(odd))];
}

static uint64_t some_time(struct attacker *self)
{
	const unsigned int kind = below(&self->dice, 64);

	if (kind < 48)
		return 1;
	if (kind < 60)
		return realtime_in_ms(0) + below(&self->dice, 200000);
	return kind < 62 ? 0 : UINT64_MAX - below(&self->dice, 2);
}

static void init_task(struct attacker *self, bool worker)
{
	struct umcg_task *task = arena_task(self);
	uint64_t *words = (uint64_t *)(arena_page(self) + WORDS_OFFSET);
	const unsigned int head = below(&self->dice, 8), slot = 8 + below(&self->dice, 8);

	self->task = task;
	*task = (struct umcg_task){
		.state_ts = worker ? BLOCKED : RUNNING,
		.idle_workers_ptr = worker ? (uintptr_t)&words[head] : 0,
		.idle_server_tid_ptr = worker ? (uintptr_t)&words[slot] : 0,
	};
}

/* A group in direct mode at the end of a page, where others write, too. */
static struct umcg_direct_group *some_direct_group(struct attacker *self)
{
	struct umcg_direct_group *group = (void *)(arena_page(self) + PAGE - sizeof(*group));

	group->size = sizeof(*group);
	group->flags = below(&self->dice, 8);
	memset(group->reserved, 0, sizeof(group->reserved));
	/* Another one may have this number. */
	if (below(&self->dice, 2))
		memset(group->server_tid, 0, sizeof(group->server_tid));
	return group;
}

static void register_here(struct attacker *self, bool worker)
{
	struct umcg_ctl_args args = {
		.size = sizeof(args),
		.flags = worker ? WORKER_FLAGS : SERVER_FLAGS,
	};

	init_task(self, worker);
	args.self = (uintptr_t)self->task;
	if (below(&self->dice, 2)) {
		args.flags |= UMCG_CTL_DIRECT;
		args.direct = (uintptr_t)some_direct_group(self);
		args.server_nr = worker ? 0 : below(&self->dice, UMCG_DIRECT_SERVERS);
		self->task->idle_workers_ptr = 0;
		self->task->idle_server_tid_ptr = 0;
	}
	if (worker && below(&self->dice, 2))
		args.flags |= UMCG_CTL_CRITICAL;
	if (worker && below(&self->dice, 2)) {
		args.flags |= UMCG_CTL_SIGNALS;
		/* Those that have a handler. */
		self->task->signals = (below(&self->dice, 2) ? SIGNAL_BIT(SIGUSR1) : 0) |
				      (below(&self->dice, 2) ? SIGNAL_BIT(SIGUSR2) : 0);
	}
	throw_ioctl(self, UMCG_IOC_CTL, &args);
}

static void op_register_server(struct attacker *self)
{
	register_here(self, false);
}

static void op_register_worker(struct attacker *self)
{
	register_here(self, true);
}

static void op_unregister(struct attacker *self)
{
	struct umcg_ctl_args args = { .size = sizeof(args), .flags = UMCG_CTL_UNREGISTER };

	throw_ioctl(self, UMCG_IOC_CTL, &args);
}

static void op_wake(struct attacker *self)
{
	struct umcg_wait_args args = {
		.size = sizeof(args),
		.flags = UMCG_WAIT_WAKE_ONLY |
			 (below(&self->dice, 2) ? UMCG_WAIT_WF_CURRENT_CPU : 0),
	};

	set_next_tid(self->task, some_tid(self));
	throw_ioctl(self, UMCG_IOC_WAIT, &args);
}

/* Waits or swaps, in any state. */
static void op_wait(struct attacker *self)
{
	struct umcg_wait_args args = { .size = sizeof(args), .abs_timeout = some_time(self) };
	const unsigned int kind = below(&self->dice, 8);
	const uint32_t tid = some_tid(self);

	if (kind < 6)
		set_next_tid(self->task, kind < 3 ? 0 : tid);
	if (kind & 1)
		state_may_change(self->task, RUNNING, kind & 2 ? IDLE : IDLE | LOCKED);
	throw_ioctl(self, UMCG_IOC_WAIT, args.abs_timeout ? &args : NULL);
	state_may_change(self->task, IDLE, RUNNING);
	state_may_change(self->task, IDLE | LOCKED, RUNNING);
}

static void op_kick(struct attacker *self)
{
	struct umcg_kick_args args = {
		.size = sizeof(args),
		.flags = below(&self->dice, 2) ? UMCG_KICK_INSIST : 0,
		.tid = some_tid(self),
	};

	throw_ioctl(self, UMCG_IOC_KICK, &args);
}

/* A call of the module with an arbitrary argument. */
static void op_odd_ioctl(struct attacker *self)
{
	static const unsigned int commands[] = {
		UMCG_IOC_VERSION, UMCG_IOC_CTL, UMCG_IOC_WAIT, UMCG_IOC_KICK,
		UMCG_IOC_SCHED_STATE, UMCG_IOC_DESCHED_ADD, UMCG_IOC_DESCHED_REMOVE,
		UMCG_IOC_DESCHED_REMOVE + 1, _IOW(UMCG_IOC_MAGIC, 0x81, struct umcg_task), 0,
		UINT32_MAX,
	};
	const unsigned int command = commands[below(&self->dice, ARRAY_SIZE(commands))];
	uint64_t words[4] = { some_size(self), 0, 0, 0 };
	const unsigned int kind = below(&self->dice, 4);
	void *address = some_address(self);

	words[0] |= (dice_bits(&self->dice) & (kind ? 0x10003 : UINT32_MAX)) << 32;
	words[1] = kind == 1 ? (uintptr_t)address : dice_bits(&self->dice) & (kind - 1ULL);
	words[2] = below(&self->dice, 2);
	throw_ioctl(self, command, kind == 2 ? address : words);
}

/* Blocks, as far as the kernel is concerned. */
static void op_nap(struct attacker *self)
{
	const struct timespec time = { .tv_nsec = below(&self->dice, 100000) };

	THROW(self, SYS_nanosleep, &time, NULL);
}

static void op_yield(struct attacker *self)
{
	THROW(self, SYS_sched_yield);
}

/* What takes long. */
static void op_rare(struct attacker *self)
{
	switch (below(&self->dice, 4)) {
	case 0:
		op_fork(self);
		break;
	case 1:
		op_vfork(self);
		break;
	case 2:
		op_clone(self);
		break;
	case 3:
		op_end(self);
		break;
	}
}

struct operation {
	void (*run)(struct attacker *self);
	unsigned int weight;
};

/* The weights add up to 1000. Those that are fit for a lone process come first. */
static const struct operation operations[] = {
	{ op_wake, 180 },
	{ op_fadvise, 60 },
	{ op_kick, 190 },
	{ op_odd_ioctl, 245 },
	{ op_slot, 10 },
	{ op_desched, 12 },
	{ op_see, 3 },
	{ op_wait, 60 },
	{ op_register_server, 50 },
	{ op_register_worker, 15 },
	{ op_unregister, 50 },
	{ op_scribble, 60 },
	{ op_nap, 4 },
	{ op_yield, 4 },
	{ op_map, 3 },
	{ op_protect, 4 },
	{ op_advise, 4 },
	{ op_move, 2 },
	{ op_descriptor, 10 },
	{ op_pass_descriptor, 4 },
	/* not for a lone process */
	{ op_signal, 15 },
	{ op_mask, 10 },
	{ op_child, 2 },
	{ op_leave, 1 },
	{ op_rare, 2 },
};

#define ALL_WEIGHTS	1000
#define LONE_WEIGHTS	970

static void do_one(struct attacker *self, unsigned int weights)
{
	unsigned int at = below(&self->dice, weights);

	for (const struct operation *operation = operations;; operation++) {
		if (at < operation->weight) {
			operation->run(self);
			return;
		}
		at -= operation->weight;
	}
}

static void attack_once(struct attacker *self)
{
	do_one(self, ALL_WEIGHTS);
}

static void attack_once_alone(struct attacker *self)
{
	do_one(self, LONE_WEIGHTS);
}

static void start_thread(struct attacker *self);

static void *thread_main(void *argument)
{
	struct attacker *self = argument;

	self->tid = gettid();
	self->task = arena_task(self);
	while (!self->leaves)
		attack_once(self);
	/* Nothing is released: the kernel must do that. */
	self->leaves = false;
	start_thread(self);
	return NULL;
}

/* Starts the next generation in place of an attacker. */
static void start_thread(struct attacker *self)
{
	struct attack *attack = self->attack;
	pthread_attr_t attributes;
	pthread_t thread;

	dice_begin(&self->dice, attack->seed,
		   (attack->number << 32) + (self->number << 24) + self->generation++);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, thread_main, self))
		_exit(0);
	pthread_attr_destroy(&attributes);
}

/* Wakes waiting threads, as far as possible; otherwise nothing would happen soon. */
static void heal(struct attacker *nurse, struct umcg_task *own, unsigned int number)
{
	struct attack *attack = nurse->attack;
	struct attacker *patient = &attack->attackers[number];
	struct umcg_task *task = patient->task;
	uint64_t *words = (uint64_t *)((uintptr_t)task / PAGE * PAGE + WORDS_OFFSET);
	struct umcg_wait_args args = { .size = sizeof(args), .flags = UMCG_WAIT_WAKE_ONLY };
	uint64_t word;

	if (!task)
		return;
	word = state_word(task);
	if ((word & UMCG_TASK_STATE_MASK) == IDLE ||
	    (word & UMCG_TASK_STATE_MASK_FULL & ~UMCG_TASK_USER_MASK) == (RUNNING | LOCKED)) {
		set_next_tid(task, nurse->tid);
		task->idle_workers_ptr = (uintptr_t)&words[number];
		task->idle_server_tid_ptr = (uintptr_t)&words[8 + number];
		state_replace(task, word, RUNNING);
	}
	set_next_tid(own, patient->tid);
	THROW(nurse, SYS_ioctl, umcg_fd, UMCG_IOC_WAIT, &args);
}

static void be_a_nurse(struct attacker *nurse)
{
	static struct umcg_task task;

	server_task_init(&task);
	umcg_ctl(SERVER_FLAGS, &task);
	nurse->tid = gettid();
	for (unsigned int i = 0;; i++) {
		const struct timespec time = { .tv_nsec = NURSE_NS };

		heal(nurse, &task, i % ATTACKERS);
		if (i % ATTACKERS == 0)
			nanosleep(&time, NULL);
	}
}

/* With a limit of pinned memory, except for root. */
static void become(int pages_allowed)
{
	const struct rlimit limit = {
		.rlim_cur = pages_allowed * PAGE,
		.rlim_max = pages_allowed * PAGE,
	};

	if (pages_allowed < 0)
		return;
	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		_exit(1);
}

int attack_run(void *argument)
{
	struct attack *attack = argument;
	struct attacker nurse = { .attack = attack, .number = ATTACKERS };

	umcg_test_begin(0);
	attack->once_alone = attack_once_alone;
	for (int i = 0; i < FDS; i++)
		dup2(umcg_fd, FIRST_FD + i);
	attack->memory_file = memfd_create("arena", 0);
	attack->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (attack->arena == MAP_FAILED || ftruncate(attack->memory_file, ARENA_SIZE) ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, attack->sockets))
		return 1;
	arena_begin(attack);
	signals_begin();
	become(attack->pages_allowed);
	for (unsigned int i = 0; i < ATTACKERS; i++) {
		struct attacker *self = &attack->attackers[i];

		self->attack = attack;
		self->number = i;
		self->thrown = &attack->thrown[i];
		start_thread(self);
	}
	nurse.thrown = &attack->thrown[0];
	be_a_nurse(&nurse);
	return 0;
}
