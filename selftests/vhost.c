// SPDX-License-Identifier: GPL-2.0
/*
 * Foreign threads in the address space: vhost workers access the memory of a process that
 * has slots and notifications, either as a kernel thread that borrows the address space
 * (kthread_use_mm()) or as a thread of the process that never executes user code. Nothing
 * is written for them, and they do not appear in slots.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "umcg_sched.h"

/* Since Linux 6.17 a process chooses. */
#ifndef VHOST_SET_FORK_FROM_OWNER
#define VHOST_SET_FORK_FROM_OWNER	_IOW(VHOST_VIRTIO, 0x84, __u8)
#endif

#define RING	8
#define KICKS	300
#define CID	4711
/* Not used as an errno below. */
#define NOT_THERE	255

enum worker { KERNEL_THREAD, THREAD_OF_PROCESS };

/* What the worker of vhost reads and writes: two rings, of which the second one is used. */
struct rings {
	struct vring_desc desc[2][RING];
	struct {
		struct vring_avail head;
		__virtio16 ring[RING + 1];
	} avail[2];
	struct {
		_Alignas(4) __virtio16 flags;
		_Atomic __virtio16 idx;
		struct vring_used_elem ring[RING];
		__virtio16 event;
	} used[2];
	struct virtio_vsock_hdr packet;
};

#define SENT	1

struct device {
	int fd;
	int kick;
	int call;
	struct rings *rings;
};

FIXTURE(vhost) {
	struct device device;
	_Atomic uint64_t word;
	struct umcg_thread other;
};

FIXTURE_SETUP(vhost)
{
	umcg_test_begin(STRESS_SECONDS);
	self->device.fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	self->device.kick = eventfd(0, EFD_CLOEXEC);
	self->device.call = eventfd(0, EFD_CLOEXEC);
}

FIXTURE_TEARDOWN(vhost)
{
}

static bool set_ring(const struct device *device, unsigned int index)
{
	struct rings *rings = device->rings;
	const struct vhost_vring_state size = { .index = index, .num = RING };
	const struct vhost_vring_state base = { .index = index };
	const struct vhost_vring_addr addresses = {
		.index = index,
		.desc_user_addr = (uintptr_t)rings->desc[index],
		.avail_user_addr = (uintptr_t)&rings->avail[index],
		.used_user_addr = (uintptr_t)&rings->used[index],
	};
	const struct vhost_vring_file kick = { .index = index, .fd = device->kick };
	const struct vhost_vring_file call = { .index = index, .fd = device->call };

	return !ioctl(device->fd, VHOST_SET_VRING_NUM, &size) &&
	       !ioctl(device->fd, VHOST_SET_VRING_BASE, &base) &&
	       !ioctl(device->fd, VHOST_SET_VRING_ADDR, &addresses) &&
	       !ioctl(device->fd, VHOST_SET_VRING_CALL, &call) &&
	       (index != SENT || !ioctl(device->fd, VHOST_SET_VRING_KICK, &kick));
}

/* All memory is where it is. */
static bool set_memory(const struct device *device)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} all = {
		.head.nregions = 1,
		.region = {
			.guest_phys_addr = (uintptr_t)device->rings,
			.userspace_addr = (uintptr_t)device->rings,
			.memory_size = sizeof(*device->rings),
		},
	};

	return !ioctl(device->fd, VHOST_SET_MEM_TABLE, &all);
}

/* Has a worker of this kind use the memory of the calling process. Returns 0 or an errno. */
static int device_begin(struct device *device, enum worker worker)
{
	const __u8 is_thread = worker == THREAD_OF_PROCESS;
	const __u64 cid = CID;
	const int running = 1;

	device->rings = mmap(NULL, sizeof(*device->rings), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ioctl(device->fd, VHOST_SET_FORK_FROM_OWNER, &is_thread))
		return NOT_THERE;
	if (ioctl(device->fd, VHOST_SET_OWNER) || !set_memory(device) ||
	    !set_ring(device, 0) || !set_ring(device, SENT) ||
	    ioctl(device->fd, VHOST_VSOCK_SET_GUEST_CID, &cid) ||
	    ioctl(device->fd, VHOST_VSOCK_SET_RUNNING, &running))
		return errno;
	return 0;
}

/* Sends a packet without a receiver. The worker reads it, and writes that it has. */
static void device_kick(const struct device *device)
{
	struct rings *rings = device->rings;
	struct vring_avail *avail = &rings->avail[SENT].head;
	const __virtio16 slot = avail->idx % RING;
	const uint64_t one = 1;

	rings->desc[SENT][slot] = (struct vring_desc){
		.addr = (uintptr_t)&rings->packet,
		.len = sizeof(rings->packet),
	};
	rings->avail[SENT].ring[slot] = slot;
	/* Release: pairs with the read barrier of the worker. */
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
	write(device->kick, &one, sizeof(one));
}

static bool device_has_used(const struct device *device, unsigned int count)
{
	return device->rings->used[SENT].idx == (__virtio16)count;
}

/* Sleeps until the worker says that it has read what there was. */
static bool device_calls(const struct device *device)
{
	struct pollfd call = { .fd = device->call, .events = POLLIN };
	uint64_t calls;

	return poll(&call, 1, SOON_MS) == 1 &&
	       read(device->call, &calls, sizeof(calls)) == sizeof(calls);
}

/* How often the thread of this name has slept; -1 if there is none in that folder of /proc. */
static long sleeps_of(const char *folder, const char *name)
{
	char path[64], line[128], found[64] = "";
	DIR *threads = opendir(folder);
	struct dirent *entry;
	long sleeps = -1;

	while (sleeps < 0 && (entry = readdir(threads))) {
		FILE *status;

		snprintf(path, sizeof(path), "%s/%.20s/status", folder, entry->d_name);
		status = fopen(path, "re");
		while (status && fgets(line, sizeof(line), status)) {
			sscanf(line, "Name: %63s", found);
			if (!strcmp(found, name))
				sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps);
		}
		if (status)
			fclose(status);
	}
	closedir(threads);
	return sleeps;
}

/* A thread with a slot and a word watches both, while the worker comes and goes. */
static void watch_beside(struct __test_metadata *_metadata, FIXTURE_DATA(vhost) *self,
			 const char *folder)
{
	struct watch watch = { .word = &self->word };
	uint64_t own_word = MARK;
	char name[16];

	snprintf(name, sizeof(name), "vhost-%d", getpid());
	ASSERT_TRUE(slots_map());
	ASSERT_EQ(0, slot_register(0));
	ASSERT_EQ(0, desched_add(1, ALWAYS, &own_word, 8, 0));
	self->other.arg = &watch;
	thread_start(&self->other, watch_word);
	ASSERT_TRUE(SOON(self->other.phase));
	for (unsigned int kick = 1; kick <= KICKS; kick++) {
		device_kick(&self->device);
		ASSERT_TRUE(device_calls(&self->device));
		ASSERT_TRUE(SOON(device_has_used(&self->device, kick)));
		/* Both threads have a slot and a word. */
		ASSERT_EQ(4, umcg_stat("watched"));
	}
	EXPECT_LT(KICKS / 2, sleeps_of(folder, name))
		TH_LOG("%s in %s", name, folder);
	watch.over = true;
	ASSERT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(0, self->other.result);
	EXPECT_LT(0, watch.departures);
	EXPECT_EQ(0, watch.lies);
	EXPECT_EQ(0, own_word);
	EXPECT_EQ(gettid(), slots[0].tid);
	EXPECT_EQ(self->other.tid, slots[1].tid);
	for (int slot = 2; slot < 64; slot++)
		EXPECT_EQ(0, slots[slot].version);
}

static const char *const no_device =
	"this kernel has no vhost_vsock of which a process chooses the worker";

/* A kernel thread is a process of its own. */
TEST_F_TIMEOUT(vhost, a_kernel_thread_that_borrows_the_memory_has_nothing, STRESS_SECONDS)
{
	const int err = device_begin(&self->device, KERNEL_THREAD);

	if (err == NOT_THERE)
		SKIP(return, "%s", no_device);
	ASSERT_EQ(0, err);
	watch_beside(_metadata, self, "/proc");
}

TEST_F_TIMEOUT(vhost, a_thread_without_user_code_has_nothing, STRESS_SECONDS)
{
	const int err = device_begin(&self->device, THREAD_OF_PROCESS);

	if (err == NOT_THERE)
		SKIP(return, "%s", no_device);
	ASSERT_EQ(0, err);
	watch_beside(_metadata, self, "/proc/self/task");
}

/* The owner of the memory exits with a slot, a word and a worker. */
static int begin_and_end(void *argument)
{
	static uint64_t word;
	struct device *device = argument;

	if (slot_register(0) || !slots_map() || desched_add(COOKIE, ALWAYS, &word, 8, 0))
		return 1;
	return device_begin(device, KERNEL_THREAD);
}

TEST_F(vhost, slots_stay_while_a_kernel_thread_keeps_the_memory)
{
	const int status = process_ends(process_start(begin_and_end, &self->device));

	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == NOT_THERE)
		SKIP(return, "%s", no_device);
	ASSERT_EQ(0, WEXITSTATUS(status));
	/* Its threads have gone, its memory has not. */
	EXPECT_TRUE(SOON(umcg_stat("watched") == 0));
	EXPECT_LT(0, umcg_stat("slot_pages"));
	close(self->device.fd);
	EXPECT_TRUE(SOON(umcg_stat("slot_pages") == 0));
	EXPECT_TRUE(nothing_is_left());
}

TEST_HARNESS_MAIN
