// SPDX-License-Identifier: GPL-2.0
/*
 * The encoding of the calls: numbers, sizes, offsets, and structures that are smaller or
 * larger than the module knows.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define EXPECT_LAYOUT(type, member, offset, size) do {			\
	_Static_assert(offsetof(type, member) == (offset), "offset");	\
	_Static_assert(sizeof(((type *)0)->member) == (size), "size");	\
} while (0)

/* The argument of any call: each begins with its size. */
struct any_args {
	uint32_t size;
	uint32_t flags;
	uint64_t value;
	uint8_t beyond[3 * MAX_PAGE];
};

/*
 * A call, the size of its argument in the first version and, if it has grown, today; and its
 * result if the argument is well-formed.
 */
struct call {
	const char *name;
	unsigned int command;
	uint32_t size;
	uint32_t size_today;
	uint32_t flags;
	uint64_t value;
	int right;
};

static const struct call calls[] = {
	{ .name = "version", .command = UMCG_IOC_VERSION, .size = 16, .size_today = 24 },
	{ .name = "ctl", .command = UMCG_IOC_CTL, .size = 16, .size_today = 32,
	  .flags = SERVER_FLAGS },
	{ .name = "wait", .command = UMCG_IOC_WAIT, .size = 16 },
	{ .name = "kick", .command = UMCG_IOC_KICK, .size = 16, .value = INT32_MAX,
	  .right = -ESRCH },
	{ .name = "sched_state", .command = UMCG_IOC_SCHED_STATE, .size = 16,
	  .flags = UMCG_SCHED_STATE_UNREGISTER, .right = -ENOENT },
	{ .name = "desched_remove", .command = UMCG_IOC_DESCHED_REMOVE, .size = 40,
	  .right = -ENOENT },
};

FIXTURE(abi) {
	struct umcg_thread thread;
	long page_size;
	struct any_args args;
	/* A readable page before one that is not mapped. */
	char *edge;
};

FIXTURE_SETUP(abi)
{
	umcg_test_begin(TEST_SECONDS);
	self->page_size = sysconf(_SC_PAGESIZE);
	self->edge = mmap(NULL, 2 * self->page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->edge);
	ASSERT_EQ(0, munmap(self->edge + self->page_size, self->page_size));
}

FIXTURE_TEARDOWN(abi)
{
}

/* Makes a call that is valid except for the size. */
static int call_with_size(FIXTURE_DATA(abi) *self, const struct call *call, uint32_t size)
{
	int err;

	server_task_init(&self->thread.task);
	if (call->command == UMCG_IOC_WAIT)
		umcg_ctl(SERVER_FLAGS, &self->thread.task);
	self->args.size = size;
	self->args.flags = call->flags;
	self->args.value = call->value;
	if (call->command == UMCG_IOC_CTL)
		self->args.value = (uintptr_t)&self->thread.task;
	err = umcg_ioctl(call->command, &self->args);
	umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
	return err;
}

TEST_F(abi, structures_have_their_sizes_and_offsets)
{
	EXPECT_LAYOUT(struct umcg_task, state_ts, 0, 8);
	EXPECT_LAYOUT(struct umcg_task, next_tid, 8, 4);
	EXPECT_LAYOUT(struct umcg_task, flags, 12, 4);
	EXPECT_LAYOUT(struct umcg_task, idle_workers_ptr, 16, 8);
	EXPECT_LAYOUT(struct umcg_task, idle_server_tid_ptr, 24, 8);
	EXPECT_LAYOUT(struct umcg_task, server_nr, 32, 4);
	EXPECT_LAYOUT(struct umcg_task, critical, 36, 4);
	EXPECT_LAYOUT(struct umcg_task, signals, 40, 8);
	EXPECT_LAYOUT(struct umcg_direct_group, size, 0, 4);
	EXPECT_LAYOUT(struct umcg_direct_group, flags, 4, 4);
	EXPECT_LAYOUT(struct umcg_direct_group, idle_workers, 8, 8);
	EXPECT_LAYOUT(struct umcg_direct_group, idle_servers, 16, 8);
	EXPECT_LAYOUT(struct umcg_direct_group, ready_ends, 24, 8);
	EXPECT_LAYOUT(struct umcg_direct_group, queued, 32, 4);
	EXPECT_LAYOUT(struct umcg_direct_group, watcher_tid, 36, 4);
	EXPECT_LAYOUT(struct umcg_direct_group, server_tid[0], 64, 4);
	EXPECT_LAYOUT(struct umcg_direct_group, running[0], 320, 4);
	EXPECT_LAYOUT(struct umcg_direct_group, ready[0], 576, 8);
	EXPECT_LAYOUT(struct umcg_ctl_args, size, 0, 4);
	EXPECT_LAYOUT(struct umcg_ctl_args, flags, 4, 4);
	EXPECT_LAYOUT(struct umcg_ctl_args, self, 8, 8);
	EXPECT_LAYOUT(struct umcg_ctl_args, direct, 16, 8);
	EXPECT_LAYOUT(struct umcg_ctl_args, server_nr, 24, 4);
	EXPECT_LAYOUT(struct umcg_ctl_args, reserved, 28, 4);
	EXPECT_LAYOUT(struct umcg_wait_args, size, 0, 4);
	EXPECT_LAYOUT(struct umcg_wait_args, flags, 4, 4);
	EXPECT_LAYOUT(struct umcg_wait_args, abs_timeout, 8, 8);
	EXPECT_LAYOUT(struct umcg_kick_args, size, 0, 4);
	EXPECT_LAYOUT(struct umcg_kick_args, flags, 4, 4);
	EXPECT_LAYOUT(struct umcg_kick_args, tid, 8, 4);
	EXPECT_LAYOUT(struct umcg_kick_args, reserved, 12, 4);
	EXPECT_LAYOUT(struct umcg_version_args, size, 0, 4);
	EXPECT_LAYOUT(struct umcg_version_args, abi, 4, 4);
	EXPECT_LAYOUT(struct umcg_version_args, features, 8, 8);
	EXPECT_LAYOUT(struct umcg_version_args, clock_offset, 16, 8);

	EXPECT_EQ(64, sizeof(struct umcg_task));
	EXPECT_EQ(64, _Alignof(struct umcg_task));
	EXPECT_EQ(32, sizeof(struct umcg_ctl_args));
	EXPECT_EQ(1088, sizeof(struct umcg_direct_group));
	EXPECT_EQ(64, _Alignof(struct umcg_direct_group));
	EXPECT_EQ(16, sizeof(struct umcg_wait_args));
	EXPECT_EQ(16, sizeof(struct umcg_kick_args));
	EXPECT_LAYOUT(struct umcg_sched_state, version, 0, 4);
	EXPECT_LAYOUT(struct umcg_sched_state, state, 4, 4);
	EXPECT_LAYOUT(struct umcg_sched_state, tid, 8, 4);
	EXPECT_LAYOUT(struct umcg_sched_state, seq, 12, 4);
	EXPECT_LAYOUT(struct umcg_sched_state, off_ns, 16, 8);
	EXPECT_LAYOUT(struct umcg_sched_state, on_ns, 24, 8);
	EXPECT_LAYOUT(struct umcg_sched_state, cpu, 32, 4);
	EXPECT_LAYOUT(struct umcg_sched_state, vcpu, 36, 4);
	EXPECT_LAYOUT(struct umcg_sched_state_args, slot, 8, 4);
	EXPECT_LAYOUT(struct umcg_desched_args, cookie, 8, 8);
	EXPECT_LAYOUT(struct umcg_desched_args, addr, 16, 8);
	EXPECT_LAYOUT(struct umcg_desched_args, value, 24, 8);
	EXPECT_LAYOUT(struct umcg_desched_args, width, 32, 4);

	EXPECT_EQ(24, sizeof(struct umcg_version_args));
	EXPECT_EQ(64, sizeof(struct umcg_sched_state));
	EXPECT_EQ(64, _Alignof(struct umcg_sched_state));
	EXPECT_EQ(16, sizeof(struct umcg_sched_state_args));
	EXPECT_EQ(40, sizeof(struct umcg_desched_args));
}

TEST_F(abi, ioctl_numbers_are_those_of_the_first_version)
{
	EXPECT_EQ(0xc010bb80, UMCG_IOC_VERSION);
	EXPECT_EQ(0x4010bb81, UMCG_IOC_CTL);
	EXPECT_EQ(0x4010bb82, UMCG_IOC_WAIT);
	EXPECT_EQ(0x4010bb83, UMCG_IOC_KICK);
	EXPECT_EQ(0xc010bb84, UMCG_IOC_SCHED_STATE);
	EXPECT_EQ(0x4028bb85, UMCG_IOC_DESCHED_ADD);
	EXPECT_EQ(0x4028bb86, UMCG_IOC_DESCHED_REMOVE);
	EXPECT_EQ(0x756d6367, UMCG_FADVISE_WAIT);
	EXPECT_EQ(0x3f, UMCG_TASK_STATE_MASK);
	EXPECT_EQ(0x1f00, UMCG_TASK_RESERVED_MASK);
	EXPECT_EQ(0x3e000, UMCG_TASK_USER_MASK);
	EXPECT_EQ(0x3ffff, UMCG_TASK_STATE_MASK_FULL);
	EXPECT_EQ(UMCG_TASK_STATE_MASK_FULL,
		  UMCG_TASK_STATE_MASK | UMCG_TF_LOCKED | UMCG_TF_PREEMPTED |
		  UMCG_TASK_RESERVED_MASK | UMCG_TASK_USER_MASK);
}

TEST_F(abi, the_module_reports_its_version)
{
	struct umcg_version_args args = { .size = sizeof(args), .abi = 77, .features = 77 };

	ASSERT_EQ(0, umcg_ioctl(UMCG_IOC_VERSION, &args));
	EXPECT_EQ(sizeof(args), args.size);
	EXPECT_EQ(UMCG_ABI_VERSION, args.abi);
	EXPECT_EQ(UMCG_FEATURE_FADVISE | UMCG_FEATURE_SCHED_STATE | UMCG_FEATURE_DESCHED |
		  UMCG_FEATURE_DIRECT | UMCG_FEATURE_CRITICAL | UMCG_FEATURE_SIGNALS |
		  UMCG_FEATURE_REFUSE,
		  args.features);
}

TEST_F(abi, unknown_calls_are_ENOTTY)
{
	const unsigned int unknown[] = {
		_IO(UMCG_IOC_MAGIC, 0x00),
		_IO(UMCG_IOC_MAGIC, 0x7f),
		_IO(UMCG_IOC_MAGIC, 0xff),
		_IOWR(UMCG_IOC_MAGIC + 1, 0x80, struct umcg_version_args),
		_IO(UMCG_IOC_MAGIC, 0x80),
		_IOR(UMCG_IOC_MAGIC, 0x80, struct umcg_version_args),
		_IOWR(UMCG_IOC_MAGIC, 0x80, struct umcg_task),
		0xffffffff,
	};

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		self->args.size = sizeof(struct umcg_version_args);
		EXPECT_EQ(-ENOTTY, umcg_ioctl(unknown[i], &self->args))
			TH_LOG("command %#x", unknown[i]);
	}
}

TEST_F(abi, structures_that_are_too_small_are_EINVAL)
{
	for (size_t c = 0; c < ARRAY_SIZE(calls); c++) {
		const uint32_t sizes[] = { 0, 1, 4, 8, calls[c].size - 1 };

		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			EXPECT_EQ(-EINVAL, call_with_size(self, &calls[c], sizes[i]))
				TH_LOG("%s with %u bytes", calls[c].name, sizes[i]);
		}
		EXPECT_EQ(calls[c].right, call_with_size(self, &calls[c], calls[c].size))
			TH_LOG("%s", calls[c].name);
	}
}

TEST_F(abi, larger_structures_must_be_zero_beyond_the_known_part)
{
	for (size_t c = 0; c < ARRAY_SIZE(calls); c++) {
		const uint32_t today = calls[c].size_today ?: calls[c].size;
		const uint32_t sizes[] = {
			today + 1, today + 8, 64, 1000, self->page_size,
		};

		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			uint8_t *last = (uint8_t *)&self->args + sizes[i] - 1;

			EXPECT_EQ(calls[c].right, call_with_size(self, &calls[c], sizes[i]))
				TH_LOG("%s with %u bytes", calls[c].name, sizes[i]);
			*last = 1;
			EXPECT_EQ(-E2BIG, call_with_size(self, &calls[c], sizes[i]))
				TH_LOG("%s with %u bytes", calls[c].name, sizes[i]);
			*last = 0;
		}
	}
}

TEST_F(abi, memory_behind_the_structure_does_not_matter)
{
	for (size_t c = 0; c < ARRAY_SIZE(calls); c++) {
		uint8_t *behind = (uint8_t *)&self->args + calls[c].size;

		*behind = 1;
		EXPECT_EQ(calls[c].right, call_with_size(self, &calls[c], calls[c].size))
			TH_LOG("%s", calls[c].name);
		*behind = 0;
	}
}

TEST_F(abi, structures_beyond_a_page_are_E2BIG)
{
	const uint32_t sizes[] = { self->page_size + 1, 2 * self->page_size, 0x80000000, ~0U };

	for (size_t c = 0; c < ARRAY_SIZE(calls); c++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			EXPECT_EQ(-E2BIG, call_with_size(self, &calls[c], sizes[i]))
				TH_LOG("%s with %u bytes", calls[c].name, sizes[i]);
		}
	}
}

TEST_F(abi, structures_that_cannot_be_read_are_EFAULT)
{
	char *end = self->edge + self->page_size;

	for (size_t c = 0; c < ARRAY_SIZE(calls); c++) {
		struct any_args *cut = (void *)(end - 8);

		EXPECT_EQ(-EFAULT, umcg_ioctl(calls[c].command, (void *)8UL))
			TH_LOG("%s at a low address", calls[c].name);
		EXPECT_EQ(-EFAULT, umcg_ioctl(calls[c].command, (void *)KERNEL_ADDRESS))
			TH_LOG("%s in the kernel", calls[c].name);
		EXPECT_EQ(-EFAULT, umcg_ioctl(calls[c].command, end))
			TH_LOG("%s, not mapped", calls[c].name);
		EXPECT_EQ(-EFAULT, umcg_ioctl(calls[c].command, end - 2))
			TH_LOG("%s, half of its size not mapped", calls[c].name);
		cut->size = calls[c].size;
		EXPECT_EQ(-EFAULT, umcg_ioctl(calls[c].command, cut))
			TH_LOG("%s, half not mapped", calls[c].name);
		cut = (void *)(end - calls[c].size);
		memset(cut, 0, calls[c].size);
		cut->size = calls[c].size + 1;
		EXPECT_EQ(-EFAULT, umcg_ioctl(calls[c].command, cut))
			TH_LOG("%s, the unknown part not mapped", calls[c].name);
	}
}

TEST_F(abi, a_version_that_cannot_be_written_is_EFAULT)
{
	struct umcg_version_args *args = (void *)self->edge;

	args->size = sizeof(*args);
	ASSERT_EQ(0, mprotect(self->edge, self->page_size, PROT_READ));
	EXPECT_EQ(-EFAULT, umcg_ioctl(UMCG_IOC_VERSION, args));
	EXPECT_EQ(0, args->abi);
}

TEST_F(abi, structures_need_no_alignment)
{
	struct umcg_version_args args = { .size = sizeof(args) };
	char *odd = self->edge + 1;

	memcpy(odd, &args, sizeof(args));
	ASSERT_EQ(0, umcg_ioctl(UMCG_IOC_VERSION, odd));
	memcpy(&args, odd, sizeof(args));
	EXPECT_EQ(UMCG_ABI_VERSION, args.abi);
}

TEST_F(abi, only_wait_takes_a_null_pointer)
{
	EXPECT_EQ(-EFAULT, umcg_ioctl(UMCG_IOC_VERSION, NULL));
	EXPECT_EQ(-EFAULT, umcg_ioctl(UMCG_IOC_CTL, NULL));
	EXPECT_EQ(-EFAULT, umcg_ioctl(UMCG_IOC_KICK, NULL));
	EXPECT_EQ(-EINVAL, umcg_ioctl(UMCG_IOC_WAIT, NULL))
		TH_LOG("not registered");
	ASSERT_EQ(0, server_register(&self->thread));
	EXPECT_EQ(0, umcg_ioctl(UMCG_IOC_WAIT, NULL))
		TH_LOG("running, so there is nothing to wait for");
}

TEST_F(abi, the_device_is_a_character_device)
{
	struct stat stat;

	ASSERT_EQ(0, fstat(umcg_fd, &stat));
	EXPECT_TRUE(S_ISCHR(stat.st_mode));
	EXPECT_EQ(-1, read(umcg_fd, &stat, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(umcg_fd, "", 1));
	EXPECT_EQ(EINVAL, errno);
}

#ifdef __x86_64__
/* A system call as made by a 32-bit program; the kernel may not support them. */
static int call_32_bits(int number, uint32_t first, uint32_t second, uint32_t third)
{
	int result;

	__asm__ volatile("int $0x80"
			 : "=a" (result)
			 : "a" (number), "b" (first), "c" (second), "d" (third)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

#define IOCTL_32_BITS	54

/*
 * A kernel with this file supports 32-bit programs. On others the attempt would be logged
 * as a fault.
 */
#define SETTING_32_BITS	"/proc/sys/abi/vsyscall32"

/* Memory of a 32-bit program, below 4 GB. */
struct low_memory {
	struct umcg_task task;
	struct umcg_version_args version;
	struct umcg_ctl_args ctl;
	struct umcg_wait_args wait;
};

static int ioctl_32_bits(unsigned int command, void *argument)
{
	return call_32_bits(IOCTL_32_BITS, umcg_fd, command, (uintptr_t)argument);
}

TEST_F(abi, compat_programs_make_the_same_calls)
{
	struct low_memory *low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)low);
	if (access(SETTING_32_BITS, F_OK))
		SKIP(return, "this kernel runs no programs of 32 bits");
	low->version.size = sizeof(low->version);
	ASSERT_EQ(0, ioctl_32_bits(UMCG_IOC_VERSION, &low->version));
	EXPECT_EQ(UMCG_ABI_VERSION, low->version.abi);

	server_task_init(&low->task);
	low->ctl = (struct umcg_ctl_args){
		.size = sizeof(low->ctl), .flags = SERVER_FLAGS, .self = (uintptr_t)&low->task,
	};
	ASSERT_EQ(0, ioctl_32_bits(UMCG_IOC_CTL, &low->ctl));
	EXPECT_EQ(1, umcg_stat("servers"));
	EXPECT_EQ(0, ioctl_32_bits(UMCG_IOC_WAIT, NULL));
	low->wait = (struct umcg_wait_args){ .size = sizeof(low->wait), .abs_timeout = 1 };
	state_must_change(&low->task, RUNNING, IDLE);
	EXPECT_EQ(-ETIMEDOUT, ioctl_32_bits(UMCG_IOC_WAIT, &low->wait));
	low->ctl.flags = UMCG_CTL_UNREGISTER;
	low->ctl.self = 0;
	EXPECT_EQ(0, ioctl_32_bits(UMCG_IOC_CTL, &low->ctl));
	EXPECT_EQ(-ENOTTY, ioctl_32_bits(_IO(UMCG_IOC_MAGIC, 0x7f), NULL));
}
#endif

TEST_HARNESS_MAIN
