// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that cannot be had, at every place of every call of threads in direct mode.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "sweep.h"
#include "umcg_direct.h"

FIXTURE(direct_calls) {
};

FIXTURE_SETUP(direct_calls)
{
	if (access(FAIL_NTH, W_OK))
		SKIP(return, "this kernel injects no faults");
	set_up_faults();
	umcg_test_begin(STRESS_SECONDS);
}

FIXTURE_TEARDOWN(direct_calls)
{
}

static struct outcome register_direct_server(unsigned int nth)
{
	struct umcg_direct_group *group = new_page(MAP_PRIVATE);
	struct umcg_task *task = new_page(MAP_PRIVATE);
	struct umcg_ctl_args args = {
		.size = sizeof(args),
		.flags = SERVER_FLAGS | UMCG_CTL_DIRECT,
		.self = (uintptr_t)task,
		.direct = (uintptr_t)group,
		.server_nr = 1,
	};
	struct outcome outcome;

	server_task_init(task);
	group->size = sizeof(*group);
	fault_begin(nth);
	outcome.err = umcg_ioctl(UMCG_IOC_CTL, &args);
	outcome.failed = fault_end();
	if (!outcome.err)
		umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
	/* Whatever has failed: the number is free again. */
	if (group->server_tid[1])
		outcome.err = -EEXIST;
	munmap(group, PAGE);
	munmap(task, PAGE);
	return outcome;
}

TEST_F_TIMEOUT(direct_calls, server_registers_or_gets_an_error, STRESS_SECONDS)
{
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_CTL, server in direct mode",
			   register_direct_server));
}

/* A worker in a page of its own, as the group is. */
struct member {
	struct umcg_thread *worker;
	struct direct *direct;
	unsigned int nth;
	struct outcome outcome;
	/* What it does when it runs. */
	void (*body)(struct member *self);
};

static void join_directly(struct umcg_thread *thread)
{
	struct member *self = thread->arg;

	if (!self->body)
		fault_begin(self->nth);
	self->outcome.err = direct_worker_register(self->worker, self->direct);
	if (!self->body)
		self->outcome.failed = fault_end();
	if (!self->outcome.err) {
		if (self->body)
			self->body(self);
		direct_worker_leave(self->worker);
	}
	thread->phase = 1;
}

/* The caller is its server, and runs it when it is queued, until its thread has ended. */
static struct outcome serve_directly(unsigned int nth, void (*body)(struct member *self))
{
	struct umcg_thread server = {}, thread = {};
	struct direct direct;
	struct member member = {
		.worker = new_page(MAP_PRIVATE),
		.direct = &direct,
		.nth = nth,
		.body = body,
	};

	direct_init(&direct, 0);
	thread.arg = &member;
	if (direct_server_register(&server, &direct, 0))
		return (struct outcome){ .err = -ENODEV };
	thread_start(&thread, join_directly);
	while (!thread.phase) {
		struct umcg_thread *worker = direct_take_worker(&direct);

		if (worker)
			direct_run(&server, worker);
		else
			direct_wait(&server, realtime_in_ms(5));
	}
	thread_ends(&thread);
	umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
	munmap(member.worker, PAGE);
	munmap(direct.words, sizeof(*direct.words));
	if (direct.fault && !member.outcome.err)
		member.outcome.err = -EPROTO;
	return member.outcome;
}

static void nap(struct member *self)
{
	const struct timespec time = { .tv_nsec = NSEC_PER_MSEC };

	fault_begin(self->nth);
	self->outcome.err = nanosleep(&time, NULL) ? -errno : 0;
	self->outcome.failed = fault_end();
}

static void kick_oneself(struct member *self)
{
	struct umcg_kick_args args = { .size = sizeof(args), .tid = gettid() };

	fault_begin(self->nth);
	self->outcome.err = umcg_ioctl(UMCG_IOC_KICK, &args);
	self->outcome.failed = fault_end();
}

static void wait_directly(struct member *self)
{
	fault_begin(self->nth);
	self->outcome.err = direct_worker_wait(self->worker, realtime_in_ms(2));
	self->outcome.failed = fault_end();
	if (self->outcome.err == -ETIMEDOUT)
		self->outcome.err = 0;
}

static struct outcome register_direct_worker(unsigned int nth)
{
	return serve_directly(nth, NULL);
}

static struct outcome direct_worker_naps(unsigned int nth)
{
	return serve_directly(nth, nap);
}

static struct outcome direct_worker_waits(unsigned int nth)
{
	return serve_directly(nth, wait_directly);
}

static struct outcome direct_worker_is_kicked(unsigned int nth)
{
	return serve_directly(nth, kick_oneself);
}

TEST_F_TIMEOUT(direct_calls, worker_does_its_work_or_gets_an_error, STRESS_SECONDS)
{
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_CTL, worker in direct mode",
			   register_direct_worker));
	sweep(_metadata, "nanosleep of a worker in direct mode", direct_worker_naps);
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_WAIT of a worker in direct mode",
			   direct_worker_waits));
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_KICK in direct mode", direct_worker_is_kicked));
}

TEST_HARNESS_MAIN
