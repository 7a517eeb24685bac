// SPDX-License-Identifier: GPL-2.0
/*
 * A thread whose system call is handled by another thread: seccomp's user notification,
 * with synchronous wake-ups, which keep both on one CPU.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pair.h"

/* The call that the filter sends to the supervisor; nothing else in here makes it. */
#define CALL SYS_getpgid

static int listener;
static struct seccomp_notif request;

static int install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
		       &program);
}

static bool seccomp_open(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
	return !syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0,
			&(uint32_t){ SECCOMP_RET_USER_NOTIF });
}

static void receive(void)
{
	request = (struct seccomp_notif){};
	if (syscall_of_3(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_RECV, (long)&request))
		bench_die("seccomp: cannot receive a notification");
}

static void answer(void)
{
	struct seccomp_notif_resp response = { .id = request.id };

	if (syscall_of_3(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_SEND, (long)&response))
		bench_die("seccomp: cannot answer a notification");
}

/* Only the first side has the filter. */
static void seccomp_enter(struct side *side)
{
	if (side->is_first) {
		listener = install_filter();
		if (listener < 0)
			bench_die_errno("seccomp", errno);
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
			  SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP))
			bench_die_errno("SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP", errno);
		pair_meet(side);
	} else {
		pair_meet(side);
		receive();
	}
}

static void seccomp_swap(struct side *side)
{
	if (side->is_first) {
		syscall_of_3(CALL, 0, 0, 0);
	} else {
		answer();
		receive();
	}
}

static void seccomp_leave(struct side *side)
{
	if (side->is_first)
		syscall_of_3(CALL, 0, 0, 0);
	else
		answer();
}

static void seccomp_close(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
	close(listener);
}

const struct pair_kind seccomp_pair = {
	.row = "seccomp_notify",
	.open = seccomp_open,
	.enter = seccomp_enter,
	.swap = seccomp_swap,
	.leave = seccomp_leave,
	.close = seccomp_close,
};
