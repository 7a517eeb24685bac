// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The calls of the kernel module.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
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

int umcg_sys_wait(uint32_t flags, uint64_t timeout)
{
	struct umcg_wait_args args = {
		.size = sizeof(args),
		.flags = flags,
		.abs_timeout = timeout,
	};
	bool is_plain = flags == 0 && timeout == 0;

	return ioctl(device_fd(), UMCG_IOC_WAIT, is_plain ? NULL : &args);
}

/*
 * Wakes a task whose state says already that it runs. The caller is LOCKED if
 * it is a worker: next_tid has to name its server while it is not.
 */
int umcg_wake_thread(struct thread *self, struct thread *target, uint32_t flags)
{
	struct thread *server = atomic_load_explicit(&self->server, memory_order_relaxed);
	int result;

	atomic_store_explicit(&self->words.next_tid, target->tid, memory_order_relaxed);
	result = umcg_sys_wait(UMCG_WAIT_WAKE_ONLY | flags, 0);
	atomic_store_explicit(&self->words.next_tid, server ? server->tid : 0,
			      memory_order_relaxed);

	return result;
}
