// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of one switch of a pair of threads, for all mechanisms. In the time mode the
 * kinds are interleaved, so that disturbances affect all of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "pair.h"
#include "steps.h"

static const struct pair_kind *const kinds[] = {
	&yield_pair, &futex_pair, &pipe_pair, &eventfd_pair, &condvar_pair, &seccomp_pair,
	&io_uring_pair, &server_swap_pair, &worker_swap_pair, &run_yield_pair,
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void getppid_call(void *argument)
{
	(void)argument;
	syscall_of_3(SYS_getppid, 0, 0, 0);
}

/* A command that the device does not know: the way in, to the module, and out. */
static void empty_ioctl(void *argument)
{
	(void)argument;
	if (syscall_of_3(SYS_ioctl, umcg_fd, _IO(UMCG_IOC_MAGIC, 0xff), 0) != -ENOTTY)
		bench_die("the device knows a command that it should not know");
}

/* The same by the short form of a wait. */
static void empty_fadvise(void *argument)
{
	(void)argument;
	if (syscall_of_4(SYS_fadvise64, umcg_fd, 0, 0, POSIX_FADV_NORMAL) != -EINVAL)
		bench_die("the device takes an advice that it should not take");
}

static void calls(void)
{
	bench_operation("getppid", getppid_call, NULL);
	umcg_open();
	bench_operation("empty_ioctl", empty_ioctl, NULL);
	bench_operation("empty_fadvise", empty_fadvise, NULL);
	umcg_close();
}

int main(int argc, char *argv[])
{
	static struct samples samples[KINDS];
	unsigned int rounds;

	bench_begin(argc, argv);
	rounds = bench_mode == TIME ? TIME_ROUNDS : 1;
	calls();
	for (unsigned int round = 0; round < rounds; round++) {
		for (unsigned int i = 0; i < KINDS; i++) {
			if (bench_wants(kinds[i]->row) && !pair_measure(kinds[i], &samples[i]) &&
			    round == 0)
				printf("# %s: not in this kernel\n", kinds[i]->row);
		}
	}
	for (unsigned int i = 0; i < KINDS; i++) {
		if (samples[i].count)
			samples_report(&samples[i], kinds[i]->row, 2 * BATCH);
	}
	return 0;
}
