// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The calls of the kernel: those of the module, and two of futex.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

/* The device is opened once, by whoever needs it first. */
static _Atomic int device = -1;

static bool speaks_our_abi(int fd)
{
	struct umcg_version_args args = { .size = sizeof(args) };

	return ioctl(fd, UMCG_IOC_VERSION, &args) == 0 && args.abi == UMCG_ABI_VERSION;
}

static int open_device(void)
{
	int fd = open(UMCG_DEVICE, O_RDWR | O_CLOEXEC);
	int first = -1;

	if (fd < 0)
		return -1;
	if (!speaks_our_abi(fd)) {
		close(fd);
		errno = EPROTO;
		return -1;
	}
	if (atomic_compare_exchange_strong(&device, &first, fd))
		return fd;

	close(fd);
	return first;
}

/* Relaxed: the number is all there is, and the kernel knows what belongs to it. */
static int device_fd(void)
{
	int fd = atomic_load_explicit(&device, memory_order_relaxed);

	return fd >= 0 ? fd : open_device();
}

bool umcg_enabled(void)
{
	return device_fd() >= 0;
}

int umcg_sys_ctl(uint32_t flags, void *self)
{
	struct umcg_ctl_args args = {
		.size = sizeof(args),
		.flags = flags,
		.self = (uintptr_t)self,
	};
	int fd = device_fd();

	return fd < 0 ? -1 : ioctl(fd, UMCG_IOC_CTL, &args);
}

/* Of calls that name a thread: a TID that one of another process has by now is as good as none. */
static int checked(int result)
{
	if (result && errno == EPERM)
		errno = ESRCH;

	return result;
}

int umcg_sys_wait(uint32_t flags, uint64_t timeout)
{
	struct umcg_wait_args args = {
		.size = sizeof(args),
		.flags = flags,
		.abs_timeout = timeout,
	};
	int fd = device_fd();

	/* The short form, unless the module has none. */
	if (timeout == 0) {
		int result = lseek(fd, flags, SEEK_SET) ? -1 : 0;

		if (result == 0 || errno != ESPIPE)
			return checked(result);
	}

	return checked(ioctl(fd, UMCG_IOC_WAIT, &args));
}

int umcg_sys_kick(pid_t tid)
{
	struct umcg_kick_args args = {
		.size = sizeof(args),
		.tid = tid,
	};

	return checked(ioctl(device_fd(), UMCG_IOC_KICK, &args));
}

/* A module that knows nothing of slots and notifications. */
static int too_old(int result)
{
	if (result && errno == ENOTTY)
		errno = EPROTO;

	return result;
}

int umcg_sys_sched_state(struct umcg_sched_state_args *args)
{
	int fd = device_fd();

	return fd < 0 ? -1 : too_old(ioctl(fd, UMCG_IOC_SCHED_STATE, args));
}

int umcg_sys_desched(unsigned long command, const struct umcg_desched_args *args)
{
	int fd = device_fd();

	return fd < 0 ? -1 : too_old(ioctl(fd, command, args));
}

const struct umcg_sched_state *umcg_sys_map_slots(void)
{
	int fd = device_fd();
	void *slots;

	if (fd < 0)
		return NULL;
	slots = mmap(NULL, UMCG_SCHED_STATE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (slots != MAP_FAILED)
		return slots;
	if (errno == ENODEV)
		errno = EPROTO;

	return NULL;
}

static bool map_at(const void *place, int flags, int fd)
{
	return mmap((void *)(uintptr_t)place, UMCG_SCHED_STATE_SIZE, PROT_READ,
		    flags | MAP_FIXED_NOREPLACE, fd, 0) == place;
}

/*
 * Whether there are slots now, or nothing where there is no memory for them. Something else
 * may have been mapped there in the meantime, by another library's handler for fork().
 */
bool umcg_sys_map_slots_again(const struct umcg_sched_state *place)
{
	return map_at(place, MAP_SHARED, device_fd()) ||
	       map_at(place, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* Sleeps while the word is @value, until @timeout at most. */
int umcg_sys_futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout)
{
	const struct timespec until = {
		.tv_sec = timeout / 1000000000,
		.tv_nsec = timeout % 1000000000,
	};

	return syscall(SYS_futex, word,
		       FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, value, &until,
		       NULL, FUTEX_BITSET_MATCH_ANY);
}

void umcg_sys_futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}
