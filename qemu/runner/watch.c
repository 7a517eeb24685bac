// SPDX-License-Identifier: GPL-2.0
/*
 * Checks of a debug kernel besides its log: leaked memory, lock order, data races, and
 * runtime verification of the scheduler. Other kernels have none of these.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner.h"

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define LOCKDEP_STATS	"/proc/lockdep_stats"
#define KCSAN		"/sys/kernel/debug/kcsan"
#define MONITORS	"/sys/kernel/tracing/rv/monitors/sched"

/* Younger objects are not reported: their owner may not have stored the reference yet. */
#define LEAK_AGE_MS	5500
#define MAX_LEAK_LINES	60

bool kernel_finds_leaks(void)
{
	return !access(KMEMLEAK, F_OK);
}

bool kernel_finds_races(void)
{
	return !access(KCSAN, F_OK);
}

/*
 * Runtime verification monitors of the scheduler that hold for this kernel. Four more
 * react even where nothing is wrong: opid to wake-ups with interrupts enabled, sts to
 * switches after interrupts were enabled within the scheduler, snroc to the idle task of
 * a CPU that comes online, sssw to the next sleep of a task that sets its state again
 * between the wake-up by another CPU and the tracepoint of that.
 */
static const char *const monitors[] = { "nrp", "sco", "scpd", "snep" };

/*
 * Reactions go to the log, where a pattern makes them a failure of the running test: the
 * other reactor would panic.
 */
static bool start_monitor(const char *name)
{
	char path[128];
	bool good;

	snprintf(path, sizeof(path), MONITORS "/%s/reactors", name);
	good = write_setting(path, "printk");
	snprintf(path, sizeof(path), MONITORS "/%s/enable", name);
	return good && write_setting(path, "1");
}

/*
 * Kernel functions that race with the kernel. KCSAN reports these races with the module in the
 * stack, which only calls them. queue_delayed_work_on() checks whether an item is disabled while
 * another CPU queues it, too. ktime_get_mono_fast_ns() reads one of two copies, and ktime_get()
 * what a sequence count guards: they retry if that was written meanwhile. So does
 * hrtimer_try_to_cancel(), which checks whether a timer is active.
 * trace_event_buffer_reserve() reads the flags of an event that is being disabled.
 */
static const char *const racing[] = {
	"queue_delayed_work_on", "ktime_get_mono_fast_ns", "ktime_get", "trace_event_buffer_reserve",
	"hrtimer_try_to_cancel",
};

static bool watch_races(void)
{
	char exempt[64];
	bool good = true;

	for (unsigned int i = 0; i < sizeof(racing) / sizeof(racing[0]); i++) {
		snprintf(exempt, sizeof(exempt), "!%s", racing[i]);
		good &= write_setting(KCSAN, exempt);
	}
	return good && write_setting(KCSAN, "on");
}

bool watch_begin(void)
{
	bool good = true;

	if (kernel_finds_races())
		good = watch_races();
	if (access(MONITORS, F_OK))
		return good;
	for (unsigned int i = 0; i < sizeof(monitors) / sizeof(monitors[0]); i++)
		good &= start_monitor(monitors[i]);
	fprintf(results, "# runtime verification of the scheduler %s\n",
		good ? "is enabled" : "cannot be enabled");
	return good;
}

/* Scans twice: an object is reported only if its contents are those of the scan before. */
static bool find_leaks(void)
{
	sleep_milliseconds(LEAK_AGE_MS);
	return write_setting(KMEMLEAK, "scan") && write_setting(KMEMLEAK, "scan");
}

bool nothing_leaked(void)
{
	char line[512];
	unsigned int lines = 0;
	FILE *leaks;

	if (!find_leaks()) {
		fprintf(results, "# kmemleak does not work\n");
		return false;
	}
	leaks = fopen(KMEMLEAK, "re");
	while (leaks && lines < MAX_LEAK_LINES && fgets(line, sizeof(line), leaks)) {
		fprintf(results, "# %s", line);
		lines++;
	}
	if (leaks)
		fclose(leaks);
	return leaks && !lines;
}

bool kernel_proves_locks(void)
{
	return !access(LOCKDEP_STATS, F_OK);
}

/* The number that a line of a file has after a text, or 0. */
static long number_after(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char line[256], *found = NULL;

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, text);
	if (file)
		fclose(file);
	return found ? strtol(found + strlen(text), NULL, 10) : 0;
}

bool locks_still_proved(void)
{
	return number_after(LOCKDEP_STATS, "debug_locks:") != 0;
}

bool races_still_found(void)
{
	fprintf(results, "# figure: %ld accesses watched, %ld races seen; of %u reports the module "
		"has no part in\n", number_after(KCSAN, "setup_watchpoints:"),
		number_after(KCSAN, "data_races:"), races_of_the_kernel);
	return number_after(KCSAN, "enabled:") == 1;
}
