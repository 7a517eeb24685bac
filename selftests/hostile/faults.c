// SPDX-License-Identifier: GPL-2.0
/*
 * Failing allocations and user accesses, at every place of every call: first the first
 * such place fails, then the second one, until the call has no more of them (fail-nth in
 * Documentation/fault-injection/fault-injection.rst of the kernel).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "hostile.h"
#include "sweep.h"
#include "umcg_sched.h"

/* Other kinds of failures are not injected. */
#define NO_PLACE	0
#define ENDS		24

FIXTURE(faults) {
	struct umcg_thread server;
};

FIXTURE_SETUP(faults)
{
	memset(self, 0, sizeof(*self));
	if (access(FAIL_NTH, W_OK))
		SKIP(return, "this kernel injects no faults");
	set_up_faults();
	umcg_test_begin(STRESS_SECONDS);
}

FIXTURE_TEARDOWN(faults)
{
	/* In case a test has failed halfway; otherwise it is loaded already. */
	module_load();
}

static struct outcome open_device(unsigned int nth)
{
	struct outcome outcome;
	int fd;

	fault_begin(nth);
	fd = open(UMCG_DEVICE, O_RDWR | O_CLOEXEC);
	outcome.err = fd < 0 ? -errno : 0;
	outcome.failed = fault_end();
	if (fd >= 0)
		close(fd);
	return outcome;
}

TEST_F_TIMEOUT(faults, open_fails_with_an_error, STRESS_SECONDS)
{
	EXPECT_LT(0, sweep(_metadata, "open", open_device));
}

static struct outcome ask_version(unsigned int nth)
{
	struct umcg_version_args args = { .size = sizeof(args) };
	struct outcome outcome;

	fault_begin(nth);
	outcome.err = umcg_ioctl(UMCG_IOC_VERSION, &args);
	outcome.failed = fault_end();
	return outcome;
}

TEST_F_TIMEOUT(faults, version_fails_with_an_error, STRESS_SECONDS)
{
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_VERSION", ask_version));
}

static struct outcome register_server_in(void *page, unsigned int nth)
{
	struct outcome outcome;

	server_task_init(page);
	fault_begin(nth);
	outcome.err = umcg_ctl(SERVER_FLAGS, page);
	outcome.failed = fault_end();
	if (!outcome.err)
		umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
	munmap(page, PAGE);
	return outcome;
}

static struct outcome register_server_private(unsigned int nth)
{
	return register_server_in(new_page(MAP_PRIVATE), nth);
}

static struct outcome register_server_shared(unsigned int nth)
{
	return register_server_in(new_page(MAP_SHARED), nth);
}

TEST_F_TIMEOUT(faults, a_server_registers_or_gets_an_error, STRESS_SECONDS)
{
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_CTL, server", register_server_private));
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_CTL, server in shared memory",
			   register_server_shared));
}

/* A worker and the words of its group, each in a page of its own. */
struct member {
	struct umcg_thread *worker;
	struct umcg_group *group;
	unsigned int nth;
	struct outcome outcome;
	/* What it does when it is run. */
	void (*body)(struct member *self);
};

static void join_group(struct umcg_thread *thread)
{
	struct member *self = thread->arg;
	const bool at_registration = !self->body;

	worker_task_init(&self->worker->task, self->group);
	self->worker->tid = gettid();
	if (at_registration)
		fault_begin(self->nth);
	self->outcome.err = umcg_ctl(WORKER_FLAGS, &self->worker->task);
	if (at_registration)
		self->outcome.failed = fault_end();
	if (!self->outcome.err) {
		if (self->body)
			self->body(self);
		worker_leave(self->worker);
	}
	thread->phase = 1;
}

/* The caller serves a worker until its thread has ended. */
static struct outcome serve_member(unsigned int nth, void (*body)(struct member *self))
{
	struct umcg_thread server = {}, thread = {};
	struct member member = {
		.worker = new_page(MAP_PRIVATE),
		.group = new_page(MAP_PRIVATE),
		.nth = nth,
		.body = body,
	};

	*member.group = (struct umcg_group)UMCG_GROUP_INIT;
	thread.arg = &member;
	server_register(&server);
	thread_start(&thread, join_group);
	while (!thread.phase) {
		struct umcg_thread *worker = group_take_idle(member.group);

		if (worker) {
			state_may_change(&worker->task, IDLE | PREEMPTED, IDLE);
			server_run(&server, worker);
		} else {
			sleep_ms(1);
		}
	}
	thread_ends(&thread);
	umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
	munmap(member.worker, PAGE);
	munmap(member.group, PAGE);
	return member.outcome;
}

static struct outcome register_worker(unsigned int nth)
{
	return serve_member(nth, NULL);
}

TEST_F_TIMEOUT(faults, a_worker_registers_or_gets_an_error, STRESS_SECONDS)
{
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_CTL, worker", register_worker));
}

static void nap(struct member *self)
{
	const struct timespec time = { .tv_nsec = NSEC_PER_MSEC };

	fault_begin(self->nth);
	self->outcome.err = nanosleep(&time, NULL) ? -errno : 0;
	self->outcome.failed = fault_end();
}

static void wait_a_moment(struct member *self)
{
	worker_lock(self->worker);
	set_next_tid(&self->worker->task, self->worker->server->tid);
	state_must_change(&self->worker->server->task, IDLE, RUNNING);
	fault_begin(self->nth);
	self->outcome.err = umcg_wait(0, realtime_in_ms(2));
	self->outcome.failed = fault_end();
	/* The timeout has expired, as it should; or it has not waited, and is unchanged. */
	if (self->outcome.err == -ETIMEDOUT)
		self->outcome.err = 0;
}

static void kick_oneself(struct member *self)
{
	struct umcg_kick_args args = { .size = sizeof(args), .tid = gettid() };

	fault_begin(self->nth);
	self->outcome.err = umcg_ioctl(UMCG_IOC_KICK, &args);
	self->outcome.failed = fault_end();
}

static struct outcome member_naps(unsigned int nth)
{
	return serve_member(nth, nap);
}

static struct outcome member_waits(unsigned int nth)
{
	return serve_member(nth, wait_a_moment);
}

static struct outcome member_is_kicked(unsigned int nth)
{
	return serve_member(nth, kick_oneself);
}

TEST_F_TIMEOUT(faults, a_worker_blocks_waits_and_yields_or_gets_an_error, STRESS_SECONDS)
{
	sweep(_metadata, "nanosleep of a worker", member_naps);
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_WAIT of a worker", member_waits));
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_KICK", member_is_kicked));
}

/*
 * Names another group, whose words are in a page that is not pinned yet. A failure cannot
 * be reported, because it happens on the return from another call. So it is retried.
 */
static void change_group(struct member *self)
{
	struct umcg_group *other = new_page(MAP_PRIVATE);

	*other = (struct umcg_group)UMCG_GROUP_INIT;
	self->worker->task.idle_workers_ptr = (uintptr_t)&other->idle_workers;
	self->worker->task.idle_server_tid_ptr = (uintptr_t)&other->idle_server_tid;
	self->group = other;
	nap(self);
}

static int change_group_alone(void *argument)
{
	const unsigned int nth = *(unsigned int *)argument;
	const struct outcome outcome = serve_member(nth, change_group);

	return outcome.failed ? 0 : outcome.err ? 2 : 1;
}

TEST_F_TIMEOUT(faults, a_change_of_the_group_succeeds_at_last, STRESS_SECONDS)
{
	const long killed_before = umcg_stat("killed_memory");
	unsigned int nth = 0;
	int status = 0;

	while (nth++ < MANY && status == 0) {
		status = process_ends(process_start(change_group_alone, &nth));
		EXPECT_TRUE(nothing_is_left());
		EXPECT_TRUE(WIFEXITED(status))
			TH_LOG("place %u: wait status %#x", nth, status);
	}
	/* The last one had no place left that could fail. */
	EXPECT_EQ(1, WEXITSTATUS(status));
	EXPECT_LT(1, nth);
	EXPECT_EQ(killed_before, umcg_stat("killed_memory"));
	FIGURE("change of the group: %u places, none of them kills", nth - 1);
}

static struct outcome take_slot(unsigned int nth)
{
	struct outcome outcome;
	int slot;

	fault_begin(nth);
	slot = slot_register(UMCG_SCHED_STATE_VCPU);
	outcome.failed = fault_end();
	outcome.err = slot < 0 ? slot : 0;
	if (!outcome.err)
		slot_unregister();
	return outcome;
}

static struct outcome give_slot_back(unsigned int nth)
{
	struct outcome outcome;

	if (slot_register(0))
		return (struct outcome){ .err = -ENODEV };
	fault_begin(nth);
	outcome.err = slot_unregister();
	outcome.failed = fault_end();
	if (outcome.err)
		slot_unregister();
	return outcome;
}

/* A thread that has a slot already gets its index, and keeps it. */
static struct outcome ask_for_slot(unsigned int nth)
{
	struct umcg_sched_state_args args = {
		.size = sizeof(args),
		.flags = UMCG_SCHED_STATE_REGISTER,
		.slot = UINT32_MAX,
	};
	struct outcome outcome;

	slot_register(0);
	fault_begin(nth);
	outcome.err = umcg_ioctl(UMCG_IOC_SCHED_STATE, &args);
	outcome.failed = fault_end();
	if (outcome.err == -EEXIST)
		outcome.err = args.slot;
	slot_unregister();
	return outcome;
}

TEST_F_TIMEOUT(faults, a_slot_is_assigned_and_released_or_there_is_an_error, STRESS_SECONDS)
{
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_SCHED_STATE", take_slot));
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_SCHED_STATE with a slot", ask_for_slot));
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_SCHED_STATE back", give_slot_back));
}

/* A failed fault is repeated without help of the program. */
static struct outcome map_slots(unsigned int nth)
{
	struct outcome outcome = {};
	bool mapped;

	fault_begin(nth);
	mapped = slots_map();
	if (!mapped)
		outcome.err = -errno;
	else if (slot_state(0) || slot_state(UMCG_SCHED_STATE_SLOTS - 1))
		outcome.err = -EIO;
	outcome.failed = fault_end();
	if (mapped)
		munmap((void *)slots, UMCG_SCHED_STATE_SIZE);
	return outcome;
}

TEST_F_TIMEOUT(faults, slots_are_mapped_or_there_is_an_error, STRESS_SECONDS)
{
	EXPECT_LT(0, sweep(_metadata, "mmap and a look", map_slots));
}

static struct outcome add_notification(unsigned int nth)
{
	_Atomic uint64_t *word = new_page(MAP_PRIVATE);
	struct outcome outcome;

	fault_begin(nth);
	outcome.err = desched_add(COOKIE, ALWAYS, (void *)word, 8, MARK);
	outcome.failed = fault_end();
	if (!outcome.err)
		desched_remove(COOKIE);
	munmap((void *)word, PAGE);
	return outcome;
}

static struct outcome remove_notification(unsigned int nth)
{
	static _Atomic uint64_t word;
	struct outcome outcome;

	desched_add(COOKIE, ALWAYS, (void *)&word, 8, MARK);
	fault_begin(nth);
	outcome.err = desched_remove(COOKIE);
	outcome.failed = fault_end();
	if (outcome.err)
		desched_remove(COOKIE);
	return outcome;
}

TEST_F_TIMEOUT(faults, a_notification_comes_and_goes_or_there_is_an_error, STRESS_SECONDS)
{
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_DESCHED_ADD", add_notification));
	EXPECT_LT(0, sweep(_metadata, "UMCG_IOC_DESCHED_REMOVE", remove_notification));
}

/* The word has lost its page: it gets another one on the return to user mode, or none. */
static int depart_without_page(void *argument)
{
	const unsigned int nth = *(unsigned int *)argument;
	_Atomic uint64_t *word = new_page(MAP_PRIVATE);
	bool failed;

	if (desched_add(COOKIE, ALWAYS, (void *)word, 8, MARK))
		return 2;
	madvise((void *)word, PAGE, MADV_DONTNEED);
	fault_begin(nth);
	/* Sleeps, with nothing to copy or to allocate for itself. */
	poll(NULL, 0, 1);
	failed = fault_end();
	return *word != MARK ? 3 : failed ? 0 : 1;
}

TEST_F_TIMEOUT(faults, a_word_is_written_or_its_process_gets_SIGSEGV, STRESS_SECONDS)
{
	unsigned int nth = 0, killed = 0;
	int status = 0;

	while (nth++ < MANY && (status == 0 || WIFSIGNALED(status))) {
		status = process_ends(process_start(depart_without_page, &nth));
		EXPECT_TRUE(nothing_is_left());
		EXPECT_TRUE(WIFEXITED(status) || WTERMSIG(status) == SIGSEGV)
			TH_LOG("place %u: wait status %#x", nth, status);
		killed += WIFSIGNALED(status);
	}
	/* The last one had no place left that could fail. */
	EXPECT_EQ(1, WEXITSTATUS(status));
	FIGURE("word without a page: %u places, %u of them kill", nth - 1, killed);
}

static void swap_back(struct umcg_thread *self)
{
	struct umcg_thread *first = self->arg;

	self->result = server_wait(self, 0);
	while (!self->result && !first->phase)
		self->result = server_swap(self, first);
}

/* A server that waits by posix_fadvise() until the one that it has woken wakes it. */
static struct outcome swap_by_fadvise(unsigned int nth)
{
	struct umcg_thread first = {}, second = { .arg = &first };
	struct outcome outcome = { .err = -EBUSY };

	umcg_waits_by_fadvise = true;
	server_register(&first);
	server_start(&second, swap_back);
	if (SOON(thread_waits(&second)) && server_swap(&first, &second) == 0) {
		fault_begin(nth);
		outcome.err = server_swap(&first, &second);
		outcome.failed = fault_end();
	}
	first.phase = 1;
	server_wake(&first, &second, 0);
	thread_ends(&second);
	umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
	umcg_waits_by_fadvise = false;
	return outcome;
}

TEST_F_TIMEOUT(faults, the_short_wait_cannot_fail, STRESS_SECONDS)
{
	EXPECT_EQ(0, sweep(_metadata, "posix_fadvise of a server", swap_by_fadvise));
}

/*
 * From now on this thread gets no memory for the nodes of maps. One failure does not suffice: the
 * allocation is retried without the lock of the map.
 */
static bool nodes_fail(bool fail)
{
	static const char *const settings[][2] = {
		{ "/sys/kernel/slab/radix_tree_node/failslab", "1" },
		{ "/sys/kernel/debug/failslab/cache-filter", "Y" },
		{ "/sys/kernel/debug/failslab/task-filter", "Y" },
		{ "/sys/kernel/debug/failslab/times", "-1" },
		{ "/sys/kernel/debug/failslab/probability", "100" },
		{ "/proc/thread-self/make-it-fail", "1" },
	};
	bool good = true;

	if (!fail) {
		write_file("/proc/thread-self/make-it-fail", "0");
		write_file("/sys/kernel/debug/failslab/probability", "0");
		write_file("/sys/kernel/debug/failslab/cache-filter", "N");
		return write_file("/sys/kernel/slab/radix_tree_node/failslab", "0");
	}
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		good &= write_file(settings[i][0], settings[i][1]);
	return good;
}

/* If a call finds no room in the map, the objects that it has created are freed with it. */
static void refuse_room_in_map(struct __test_metadata *_metadata, const char *name,
			       struct outcome (*call)(unsigned int nth))
{
	struct outcome outcome;

	ASSERT_TRUE(nodes_fail(true));
	outcome = call(NO_PLACE);
	EXPECT_EQ(0, umcg_stat("records") + umcg_stat("pinned_pages") + umcg_stat("servers") +
		     umcg_stat("watched"))
		TH_LOG("%s leaves something for later", name);
	ASSERT_TRUE(nodes_fail(false));
	EXPECT_EQ(-ENOMEM, outcome.err)
		TH_LOG("%s: error %d", name, outcome.err);
	EXPECT_TRUE(nothing_is_left());
	EXPECT_EQ(0, call(NO_PLACE).err);
	EXPECT_TRUE(nothing_is_left());
}

TEST_F_TIMEOUT(faults, a_failed_insertion_leaves_nothing_behind, STRESS_SECONDS)
{
	refuse_room_in_map(_metadata, "UMCG_IOC_CTL, server", register_server_private);
	refuse_room_in_map(_metadata, "UMCG_IOC_SCHED_STATE", take_slot);
	refuse_room_in_map(_metadata, "UMCG_IOC_DESCHED_ADD", add_notification);
}

static int end_while_registered(void *argument)
{
	const unsigned int nth = *(unsigned int *)argument;
	static struct umcg_thread server;

	if (server_register(&server))
		return 1;
	fault_begin(nth);
	if (nth & 1)
		execl("/there/is/no/such/program", "none", NULL);
	_exit(0);
}

TEST_F_TIMEOUT(faults, task_that_ends_is_taken_out, STRESS_SECONDS)
{
	for (unsigned int nth = 1; nth < ENDS; nth++) {
		EXPECT_EQ(0, process_ends(process_start(end_while_registered, &nth)));
		EXPECT_TRUE(nothing_is_left());
	}
}

TEST_HARNESS_MAIN
