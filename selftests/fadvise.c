// SPDX-License-Identifier: GPL-2.0
/*
 * The short form of UMCG_IOC_WAIT: posix_fadvise(fd, abs_timeout, flags, UMCG_FADVISE_WAIT).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define ROUNDS 1000

/* The test is a server, and all waits without a timeout are short. */
FIXTURE(fadvise) {
	struct umcg_thread server;
	struct umcg_thread peer;
	struct umcg_thread worker;
	struct umcg_group group;
};

FIXTURE_SETUP(fadvise)
{
	umcg_test_begin(TEST_SECONDS);
	umcg_waits_by_fadvise = true;
	ASSERT_EQ(0, server_register(&self->server));
	self->peer.arg = &self->server;
}

FIXTURE_TEARDOWN(fadvise)
{
}

/* Zero or a negative errno. Not the C library's function, whose timeout would be an off_t. */
static long advise(int fd, uint64_t abs_timeout, uint64_t flags, unsigned int advice)
{
	return syscall(SYS_fadvise64, fd, abs_timeout, flags, advice) ? -errno : 0;
}

static long call_wait(uint64_t abs_timeout, uint64_t flags)
{
	return advise(umcg_fd, abs_timeout, flags, UMCG_FADVISE_WAIT);
}

static void wait_once(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
}

TEST_F(fadvise, the_version_reports_it)
{
	struct umcg_version_args args = { .size = sizeof(args) };

	ASSERT_EQ(0, umcg_ioctl(UMCG_IOC_VERSION, &args));
	EXPECT_TRUE(args.features & UMCG_FEATURE_FADVISE);
}

static void call_unregistered(struct umcg_thread *self)
{
	self->result = call_wait(0, 0);
}

TEST_F(fadvise, a_thread_that_is_not_registered_is_EINVAL)
{
	thread_start(&self->peer, call_unregistered);
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(-EINVAL, self->peer.result);
}

TEST_F(fadvise, unknown_flags_are_EINVAL)
{
	const uint64_t refused[] = {
		UMCG_WAIT_WF_CURRENT_CPU, 4, -1, 1ULL << 31, 1ULL << 32, 1ULL << 63, INT64_MAX,
		UMCG_WAIT_WAKE_ONLY | 1ULL << 32,
	};

	set_next_tid(&self->server.task, gettid());
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(-EINVAL, call_wait(0, refused[i]))
			TH_LOG("flags %#lx", refused[i]);
	}
	EXPECT_EQ(-EINVAL, call_wait(1, UMCG_WAIT_WAKE_ONLY));
	EXPECT_EQ(0, call_wait(0, UMCG_WAIT_WAKE_ONLY));
	/* One that runs does not wait: the flags are right. */
	set_next_tid(&self->server.task, 0);
	EXPECT_EQ(0, call_wait(0, 0));
}

TEST_F(fadvise, all_other_advice_is_EINVAL)
{
	const unsigned int advice[] = {
		POSIX_FADV_NORMAL, POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED, UMCG_FADVISE_WAIT - 1,
		UMCG_FADVISE_WAIT + 1, UMCG_FADVISE_WAIT | 1U << 31, UINT32_MAX,
	};

	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		EXPECT_EQ(-EINVAL, advise(umcg_fd, 0, 0, advice[i]))
			TH_LOG("advice %#x", advice[i]);
	}
	EXPECT_EQ(0, advise(umcg_fd, 0, 0, UMCG_FADVISE_WAIT));
}

TEST_F(fadvise, the_device_has_no_position)
{
	for (int whence = SEEK_SET; whence <= SEEK_HOLE; whence++) {
		EXPECT_EQ(-1, lseek(umcg_fd, 0, whence));
		EXPECT_EQ(ESPIPE, errno);
	}
}

TEST_F(fadvise, a_wait_ends_at_its_timeout)
{
	state_must_change(&self->server.task, RUNNING, IDLE);
	EXPECT_EQ(-ETIMEDOUT, call_wait(1, 0));
	EXPECT_EQ(-ETIMEDOUT, call_wait(realtime_in_ms(20), 0));
	EXPECT_EQ(IDLE, state_of(&self->server.task));
}

static void wait_beyond_the_end_of_time(struct umcg_thread *self)
{
	state_must_change(&self->task, RUNNING, IDLE);
	self->result = call_wait(UINT64_MAX, 0);
}

TEST_F(fadvise, a_timeout_beyond_the_clock_never_expires)
{
	server_start(&self->peer, wait_beyond_the_end_of_time);
	ASSERT_TRUE(SOON(thread_waits(&self->peer)));
	EXPECT_EQ(0, server_wake(&self->server, &self->peer, 0));
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(0, self->peer.result);
}

TEST_F(fadvise, errors_are_those_of_the_ioctl)
{
	set_next_tid(&self->server.task, 0);
	EXPECT_EQ(-EINVAL, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	set_next_tid(&self->server.task, INT32_MAX);
	EXPECT_EQ(-ESRCH, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_EQ(-ESRCH, umcg_wait(0, 0));
	set_next_tid(&self->server.task, getppid());
	EXPECT_EQ(-EPERM, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
}

TEST_F(fadvise, a_server_wakes_another_one)
{
	server_start(&self->peer, wait_once);
	ASSERT_TRUE(SOON(thread_waits(&self->peer)));
	EXPECT_EQ(0, server_wake(&self->server, &self->peer, UMCG_WAIT_WF_CURRENT_CPU));
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(0, self->peer.result);
}

static void swap_back(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
	while (++self->phase < ROUNDS && !self->result)
		self->result = server_swap(self, self->arg);
	if (!self->result)
		self->result = server_wake(self, self->arg, 0);
}

TEST_F(fadvise, servers_swap)
{
	server_start(&self->peer, swap_back);
	ASSERT_TRUE(SOON(thread_waits(&self->peer)));
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, server_swap(&self->server, &self->peer));
		ASSERT_EQ(i + 1, self->peer.phase);
	}
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(0, self->peer.result);
}

static void yield_many_times(struct umcg_thread *self)
{
	for (int i = 0; i < ROUNDS && !self->result; i++)
		self->result = worker_yield(self, 0);
}

TEST_F(fadvise, a_worker_yields)
{
	worker_start(&self->worker, &self->group, yield_many_times);
	ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
	for (int i = 0; i <= ROUNDS; i++)
		ASSERT_EQ(0, server_run(&self->server, &self->worker));
	ASSERT_TRUE(thread_ends(&self->worker));
	EXPECT_EQ(0, self->worker.result);
}

static void interrupted_wait(FIXTURE_DATA(fadvise) *self, struct __test_metadata *_metadata,
			     int sa_flags)
{
	count_signal(SIGUSR1, sa_flags);
	server_start(&self->peer, wait_once);
	ASSERT_TRUE(SOON(thread_waits(&self->peer)));
	ASSERT_EQ(0, thread_signal(&self->peer, SIGUSR1));
	ASSERT_TRUE(SOON(signals_handled == 1));
}

TEST_F(fadvise, a_signal_interrupts)
{
	interrupted_wait(self, _metadata, 0);
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(-EINTR, self->peer.result);
}

TEST_F(fadvise, a_signal_restarts)
{
	interrupted_wait(self, _metadata, SA_RESTART);
	ASSERT_TRUE(SOON(thread_waits(&self->peer)));
	EXPECT_EQ(0, server_wake(&self->server, &self->peer, 0));
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(0, self->peer.result);
}

/* A ring of io_uring for one order at a time. */
struct ring {
	struct io_uring_params params;
	int fd;
	char *rings;
	struct io_uring_sqe *entry;
};

static bool ring_open(struct ring *ring)
{
	const size_t size = 2 * getpagesize();

	*ring = (struct ring){};
	ring->fd = syscall(SYS_io_uring_setup, 1, &ring->params);
	if (ring->fd < 0)
		return false;
	ring->rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			   IORING_OFF_SQ_RING);
	ring->entry = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			   IORING_OFF_SQES);
	return (void *)ring->rings != MAP_FAILED && (void *)ring->entry != MAP_FAILED;
}

static uint32_t *ring_word(struct ring *ring, uint32_t offset)
{
	return (uint32_t *)(ring->rings + offset);
}

/* Has io_uring give the device an advice, and returns what that says. */
static int ring_advise(struct ring *ring, uint64_t flags, unsigned int advice)
{
	const struct io_uring_cqe *completions = (void *)(ring->rings + ring->params.cq_off.cqes);
	uint32_t *tail = ring_word(ring, ring->params.sq_off.tail);
	uint32_t *head = ring_word(ring, ring->params.cq_off.head);

	*ring->entry = (struct io_uring_sqe){
		.opcode = IORING_OP_FADVISE, .fd = umcg_fd, .len = flags, .fadvise_advice = advice,
	};
	*ring_word(ring, ring->params.sq_off.array) = 0;
	/* Release: the kernel sees the entry when it sees the new tail. */
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -errno;
	*head += 1;
	return completions[(*head - 1) & *ring_word(ring, ring->params.cq_off.ring_mask)].res;
}

/* Another thread gives the advice, which is not registered. */
TEST_F(fadvise, io_uring_does_not_wait_for_the_caller)
{
	struct ring ring;

	if (!ring_open(&ring))
		SKIP(return, "no io_uring: %s", strerror(errno));
	state_must_change(&self->server.task, RUNNING, IDLE);
	EXPECT_EQ(-EINVAL, ring_advise(&ring, 0, UMCG_FADVISE_WAIT));
	set_next_tid(&self->server.task, gettid());
	EXPECT_EQ(-EINVAL, ring_advise(&ring, UMCG_WAIT_WAKE_ONLY, UMCG_FADVISE_WAIT));
	EXPECT_EQ(-EINVAL, ring_advise(&ring, 0, POSIX_FADV_NORMAL));
	EXPECT_EQ(IDLE, state_of(&self->server.task));
	close(ring.fd);
}

/* What else a descriptor may be. One that this kernel does not have is -1. */
struct other {
	const char *name;
	int fd;
};

static int regular_file(const char *path, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	unlink(path);
	return fd < 0 || write(fd, "content", 7) != 7 || ftruncate(fd, size) ? -1 : fd;
}

static int of_pair(bool second)
{
	int fds[2];

	return pipe(fds) ? -1 : fds[second];
}

static int one_of_sockets(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) ? -1 : fds[0];
}

static int ring(void)
{
	struct io_uring_params params = {};

	return syscall(SYS_io_uring_setup, 1, &params);
}

static int memory_file(off_t size)
{
	int fd = memfd_create("other", 0);

	return fd < 0 || write(fd, "content", 7) != 7 || ftruncate(fd, size) ? -1 : fd;
}

static int signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	return signalfd(-1, &set, 0);
}

/* The position, or -1 for a file that has none. To ask does not change it. */
static off_t position(int fd)
{
	return lseek(fd, 0, SEEK_CUR);
}

static void expect_harmless(struct __test_metadata *_metadata, const struct other *other)
{
	const uint64_t flags[] = {
		0, UMCG_WAIT_WAKE_ONLY, UMCG_WAIT_WAKE_ONLY | UMCG_WAIT_WF_CURRENT_CPU,
	};
	const unsigned int commands[] = {
		UMCG_IOC_VERSION, UMCG_IOC_CTL, UMCG_IOC_WAIT, UMCG_IOC_KICK,
		UMCG_IOC_SCHED_STATE, UMCG_IOC_DESCHED_ADD, UMCG_IOC_DESCHED_REMOVE,
	};
	const off_t before = position(other->fd);
	uint64_t args[8] = { sizeof(args) };
	struct stat old, new;
	long err;

	EXPECT_EQ(0, fstat(other->fd, &old));
	for (size_t i = 0; i < 2 * ARRAY_SIZE(flags); i++) {
		err = advise(other->fd, i & 1, flags[i / 2], UMCG_FADVISE_WAIT);
		EXPECT_TRUE(err == -EINVAL || err == -ESPIPE)
			TH_LOG("%s, flags %#lx: %ld", other->name, flags[i / 2], err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_EQ(-1, ioctl(other->fd, commands[i], args))
			TH_LOG("%s, command %#x", other->name, commands[i]);
	}
	EXPECT_EQ(before, position(other->fd)) TH_LOG("%s", other->name);
	EXPECT_EQ(0, fstat(other->fd, &new));
	EXPECT_EQ(old.st_size, new.st_size) TH_LOG("%s", other->name);
}

#define OPEN(path, flags)	{ path, open(path, flags) }

TEST_F(fadvise, on_another_file_it_is_an_error_and_does_nothing)
{
	const struct other others[] = {
		{ "a file", regular_file("/tmp/umcg-other", 7) },
		{ "an empty file", regular_file("/tmp/umcg-other", 0) },
		{ "a file of the greatest size", regular_file("/tmp/umcg-other", INT64_MAX) },
		{ "a file in memory", memory_file(4096) },
		{ "one of the greatest size", memory_file(INT64_MAX) },
		OPEN("/", O_RDONLY), OPEN("/tmp", O_RDONLY), OPEN("/proc", O_RDONLY),
		OPEN("/sys", O_RDONLY), OPEN("/proc/self", O_RDONLY),
		OPEN("/proc/self/exe", O_RDONLY), OPEN("/proc/self/status", O_RDONLY),
		OPEN("/proc/self/mem", O_RDWR), OPEN("/proc/self/pagemap", O_RDONLY),
		OPEN("/proc/self/ns/pid", O_RDONLY), OPEN("/proc/kcore", O_RDONLY),
		OPEN("/sys/kernel/notes", O_RDONLY), OPEN("/sys/kernel/mm/ksm/run", O_RDWR),
		OPEN("/sys/kernel/debug/umcg/stats", O_RDONLY),
		OPEN("/sys/kernel/tracing/trace", O_RDONLY),
		OPEN("/sys/kernel/tracing/trace_marker", O_WRONLY),
		OPEN("/dev/null", O_RDWR), OPEN("/dev/zero", O_RDWR), OPEN("/dev/full", O_RDWR),
		OPEN("/dev/mem", O_RDONLY), OPEN("/dev/kmsg", O_RDWR | O_NONBLOCK),
		OPEN("/dev/urandom", O_RDWR), OPEN("/dev/port", O_RDONLY),
		OPEN("/dev/console", O_RDWR | O_NOCTTY), OPEN("/dev/ptmx", O_RDWR | O_NOCTTY),
		OPEN("/dev/cpu_dma_latency", O_RDWR), OPEN("/dev/hpet", O_RDONLY | O_NONBLOCK),
		OPEN("/dev/rtc0", O_RDONLY), OPEN("/dev/snapshot", O_RDONLY),
		OPEN("/dev/loop0", O_RDONLY), OPEN("/dev/vda", O_RDONLY), OPEN("/dev/sda", O_RDONLY),
		OPEN("/dev/vhost-vsock", O_RDWR), OPEN("/dev/kvm", O_RDWR),
		{ "the end of a pipe", of_pair(false) }, { "the other end", of_pair(true) },
		{ "a socket", one_of_sockets() }, { "an event", eventfd(1, 0) },
		{ "epoll", epoll_create1(0) }, { "a timer", timerfd_create(CLOCK_MONOTONIC, 0) },
		{ "signals", signals() }, { "inotify", inotify_init() }, { "io_uring", ring() },
		{ "a process", syscall(SYS_pidfd_open, getpid(), 0) },
		{ "page faults", syscall(SYS_userfaultfd, 0) },
	};
	unsigned int found = 0;
	long err;

	set_next_tid(&self->server.task, gettid());
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (others[i].fd < 0) {
			TH_LOG("%s: not here", others[i].name);
			continue;
		}
		found++;
		expect_harmless(_metadata, &others[i]);
		close(others[i].fd);
	}
	EXPECT_LE(30, found);
	err = advise(others[0].fd, 0, 0, UMCG_FADVISE_WAIT);
	EXPECT_EQ(-EBADF, err);
	EXPECT_EQ(-EBADF, advise(open("/tmp", O_PATH), 0, 0, UMCG_FADVISE_WAIT));
}

TEST_HARNESS_MAIN
