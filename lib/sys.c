// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The calls of the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/* The device is opened once, on first use. */
static _Atomic int device = -1;
static _Atomic dev_t device_number;

/*
 * Whether a descriptor is still one of the device. The program may have closed it, as by
 * closefrom(3), and reused it for another file. The calls of the library do not affect
 * another file; this is to find out why a call has failed.
 */
static bool is_device(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) &&
	       status.st_rdev == atomic_load_explicit(&device_number, memory_order_relaxed);
}

static bool speaks_our_abi(int fd)
{
	struct umcg_version_args args = { .size = sizeof(args) };

	return ioctl(fd, UMCG_IOC_VERSION, &args) == 0 && args.abi == UMCG_ABI_VERSION;
}

/* Relaxed: every thread stores the same number, which is published with the descriptor below. */
static bool remember_number(int fd)
{
	struct stat status;

	if (fstat(fd, &status))
		return false;
	atomic_store_explicit(&device_number, status.st_rdev, memory_order_relaxed);

	return true;
}

/* Without memory for that it is never closed. */
static void remember_opener(void)
{
	struct process *process = umcg_process();

	if (process)
		process->has_opened = true;
}

static int open_device(void)
{
	int fd = open(UMCG_DEVICE, O_RDWR | O_CLOEXEC);
	int first = -1;

	if (fd < 0)
		return -1;
	if (!speaks_our_abi(fd) || !remember_number(fd)) {
		close(fd);
		errno = EPROTO;
		return -1;
	}
	if (atomic_compare_exchange_strong(&device, &first, fd)) {
		remember_opener();
		return fd;
	}

	close(fd);
	return first;
}

/* Acquire: pairs with the exchange that has stored it; the number of the device is known. */
static int device_fd(void)
{
	int fd = atomic_load_explicit(&device, memory_order_acquire);

	return fd >= 0 ? fd : open_device();
}

bool umcg_enabled(void)
{
	int fd = device_fd();

	if (fd >= 0 && !is_device(fd)) {
		errno = EBADF;
		return false;
	}

	return fd >= 0;
}

/* A call of the module. Errors of another file become EBADF. */
static int call(unsigned long command, const void *args)
{
	int fd = device_fd();

	if (fd < 0)
		return -1;
	if (ioctl(fd, command, args) == 0)
		return 0;
	if (!is_device(fd))
		errno = EBADF;
	return -1;
}

/* Whether the module has all of these; else EPROTO, if it is there. */
bool umcg_sys_has_features(uint64_t features)
{
	struct umcg_version_args args = { .size = sizeof(args) };

	if (call(UMCG_IOC_VERSION, &args))
		return false;
	if ((args.features & features) == features)
		return true;

	errno = EPROTO;
	return false;
}

/*
 * No thread is in a call. The next one opens the device again. A child may share the descriptors
 * of its parent, so it leaves open what it has not opened; and the number may be another file's.
 */
void umcg_sys_close(void)
{
	const struct process *process = umcg_process();
	int fd = atomic_exchange(&device, -1);

	if (fd >= 0 && process && process->has_opened && is_device(fd))
		close(fd);
}

bool umcg_sys_clock_offset(int64_t *offset)
{
	struct umcg_version_args args = { .size = sizeof(args) };

	if (call(UMCG_IOC_VERSION, &args))
		return false;
	*offset = args.clock_offset;

	return true;
}

int umcg_sys_ctl(uint32_t flags, void *self, void *direct, uint32_t server_nr)
{
	const struct umcg_ctl_args args = {
		.size = sizeof(args),
		.flags = flags,
		.self = (uintptr_t)self,
		.direct = (uintptr_t)direct,
		.server_nr = server_nr,
	};
	int result = call(UMCG_IOC_CTL, &args);

	/* A module that does not know the flag. */
	if (result && errno == EINVAL && flags & UMCG_CTL_SIGNALS &&
	    umcg_sys_has_features(UMCG_FEATURE_SIGNALS))
		errno = EINVAL;

	return result;
}

/* For calls that name a thread: a TID reused by another process is as good as none. */
static int checked(int result)
{
	if (result && errno == EPERM)
		errno = ESRCH;

	return result;
}

int umcg_sys_wait(uint32_t flags, uint64_t timeout)
{
	const struct umcg_wait_args args = {
		.size = sizeof(args),
		.flags = flags,
		.abs_timeout = timeout,
	};
	int error = posix_fadvise(device_fd(), timeout, flags, UMCG_FADVISE_WAIT);

	switch (error) {
	case 0:
		return 0;
	case ESRCH:
	case ETIMEDOUT:
	case EINTR:
		errno = error;
		return -1;
	default:
		/* A kernel or a filter that does not have that call; else the ioctl says the same. */
		return umcg_enabled() ? checked(call(UMCG_IOC_WAIT, &args)) : -1;
	}
}

int umcg_sys_kick(pid_t tid)
{
	const struct umcg_kick_args args = {
		.size = sizeof(args),
		.tid = tid,
	};

	return checked(call(UMCG_IOC_KICK, &args));
}

/* A module without slots and notifications. */
static int too_old(int result)
{
	if (result && errno == ENOTTY)
		errno = EPROTO;

	return result;
}

int umcg_sys_sched_state(struct umcg_sched_state_args *args)
{
	return too_old(call(UMCG_IOC_SCHED_STATE, args));
}

int umcg_sys_desched(unsigned long command, const struct umcg_desched_args *args)
{
	return too_old(call(command, args));
}

const struct umcg_sched_state *umcg_sys_map_slots(void)
{
	int fd = device_fd();
	void *slots;

	if (fd < 0)
		return NULL;
	/* Another file may well be mapped. */
	if (!is_device(fd)) {
		errno = EBADF;
		return NULL;
	}
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
 * Whether the slots are mapped now; otherwise nothing is mapped there. Another library's
 * handler for fork() may have mapped something else there meanwhile.
 */
bool umcg_sys_map_slots_again(const struct umcg_sched_state *place)
{
	int fd = device_fd();

	return (is_device(fd) && map_at(place, MAP_SHARED, fd)) ||
	       map_at(place, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}
