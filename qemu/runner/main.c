// SPDX-License-Identifier: GPL-2.0
/*
 * Sets the guest up, runs what umcg.mode= on the kernel's command line asks for
 * ("demo"; "check", "instructions", "time", "profile", "stores" or "run" with
 * umcg.pattern=; umcg.repeat= for "check"), sends /out to the host and powers off.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner.h"

#define DEMO_LIMIT_SECONDS	100
/* An uninterruptible sleep longer than this is a fault. */
#define HUNG_TASK_SECONDS	40

static void mount_at(const char *type, const char *path)
{
	mkdir(path, 0755);
	if (mount(type, path, type, 0, NULL) && errno != EBUSY)
		fprintf(stderr, "runner: cannot mount %s: %s\n", path, strerror(errno));
}

static void set_up_guest(void)
{
	char hung_task_seconds[16];

	snprintf(hung_task_seconds, sizeof(hung_task_seconds), "%u",
		 HUNG_TASK_SECONDS * slowness());
	mount_at("devtmpfs", "/dev");
	mount_at("devpts", "/dev/pts");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	mount_at("tracefs", "/sys/kernel/tracing");
	mount_at("cgroup2", "/sys/fs/cgroup");
	mount_at("tmpfs", "/tmp");
	mount_at("tmpfs", "/dev/shm");
	mkdir("/out", 0755);
	write_setting("/proc/sys/kernel/hung_task_timeout_secs", hung_task_seconds);
	setenv("PATH", "/", 1);
	setenv("TMPDIR", "/tmp", 1);
}

static bool run_demo(void)
{
	static const char *const argv[] = { "/demo", "-o", "/out", NULL };
	struct outcome outcome;
	char text[128];
	bool good;
	int error = ensure_umcg_loaded();

	if (error) {
		fprintf(results, "umcg.ko could not be loaded: %s\n", strerror(error));
		return false;
	}
	run_program(argv, fileno(results), DEMO_LIMIT_SECONDS * slowness(), &outcome);
	good = exited_with(&outcome, 0);
	if (!good) {
		describe_outcome(&outcome, text, sizeof(text));
		fprintf(results, "demo: %s\n", text);
	}
	good &= nothing_left_registered();
	error = remove_umcg();
	if (error)
		fprintf(results, "the module cannot be removed: %s\n", strerror(error));
	return good && !error;
}

static bool run_mode(void)
{
	char mode[32], pattern[256], repeat[16];

	read_option("umcg.mode", mode, sizeof(mode));
	read_option("umcg.repeat", repeat, sizeof(repeat));
	read_option("umcg.pattern", pattern, sizeof(pattern));
	if (!strcmp(mode, "demo"))
		return run_demo();
	if (!strcmp(mode, "check"))
		return run_tests(pattern, *repeat ? strtoul(repeat, NULL, 10) : 1);
	if (!strcmp(mode, "instructions") || !strcmp(mode, "time") || !strcmp(mode, "profile") ||
	    !strcmp(mode, "stores"))
		return run_benchmarks(mode, pattern);
	if (!strcmp(mode, "run"))
		return run_workloads(pattern);
	fprintf(results, "umcg.mode=%s is not known\n", mode);
	return false;
}

int main(void)
{
	bool good;

	set_up_guest();
	load_stock_modules("/modules");
	channel_open();
	kernel_log_open("/out/kernel.log");

	good = watch_begin();
	good &= kernel_log_report_faults() == 0;
	good &= run_mode();
	good &= kernel_log_report_faults() == 0;

	channel_send_files("/out");
	fprintf(results, "# end of results: %s\n", good ? "passed" : "failed");
	/* The last lines may still be on their way through the port. */
	sleep_milliseconds(200);
	reboot(RB_POWER_OFF);
	return 1;
}
