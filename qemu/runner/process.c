// SPDX-License-Identifier: GPL-2.0
/* Runs programs, each with a time limit, and leaves none of their processes behind. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner.h"

#define KILL_WAIT_SECONDS 5

double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

void sleep_milliseconds(unsigned int milliseconds)
{
	struct timespec duration = { milliseconds / 1000, milliseconds % 1000 * 1000000L };

	nanosleep(&duration, NULL);
}

static pid_t start_program(const char *const argv[], int output)
{
	pid_t pid = fork();

	if (pid)
		return pid;

	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	execv(argv[0], (char *const *)argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/*
 * Reaps children until @pid ends (-1: until there is none left) or the deadline passes.
 * As the first process we are also the parent of every orphan.
 */
static bool reap_until(pid_t pid, double deadline, int *status)
{
	sigset_t child_signal;

	sigemptyset(&child_signal);
	sigaddset(&child_signal, SIGCHLD);
	for (;;) {
		int child_status;
		pid_t child = waitpid(-1, &child_status, WNOHANG);
		double left = deadline - now_seconds();

		if (child > 0 && child == pid) {
			*status = child_status;
			return true;
		}
		if (child > 0)
			continue;
		if (child < 0 && errno == ECHILD)
			return pid < 0;
		if (left <= 0)
			return false;

		struct timespec timeout = { left, (left - (time_t)left) * 1e9 };

		sigtimedwait(&child_signal, NULL, &timeout);
	}
}

static bool kill_all_processes(void)
{
	kill(-1, SIGKILL);
	return reap_until(-1, now_seconds() + KILL_WAIT_SECONDS * slowness(), NULL);
}

void run_program(const char *const argv[], int output, unsigned int limit_seconds,
		 struct outcome *outcome)
{
	double begin = now_seconds();
	sigset_t child_signal;
	pid_t pid;

	/* Blocked, so that sigtimedwait() finds one that came before it. */
	sigemptyset(&child_signal);
	sigaddset(&child_signal, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child_signal, NULL);

	pid = start_program(argv, output);
	outcome->timed_out = !reap_until(pid, begin + limit_seconds, &outcome->status);
	outcome->seconds = now_seconds() - begin;
	outcome->left_processes = !kill_all_processes();
}

bool exited_with(const struct outcome *outcome, int exit_status)
{
	return !outcome->timed_out && WIFEXITED(outcome->status) &&
	       WEXITSTATUS(outcome->status) == exit_status;
}

void describe_outcome(const struct outcome *outcome, char *text, size_t size)
{
	if (outcome->timed_out)
		snprintf(text, size, "did not end within %.0f s", outcome->seconds);
	else if (WIFSIGNALED(outcome->status))
		snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(outcome->status),
			 strsignal(WTERMSIG(outcome->status)));
	else
		snprintf(text, size, "exit status %d", WEXITSTATUS(outcome->status));
}
