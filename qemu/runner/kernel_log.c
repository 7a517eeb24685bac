// SPDX-License-Identifier: GPL-2.0
/*
 * Scans the kernel log for faults, which /log-patterns defines. A report of a data race
 * is one if the module is involved.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner.h"

#define MAX_PATTERNS 64
#define MAX_REPORTED 20

/*
 * A report of KCSAN is from its title to a rule; functions of the module are marked. Each stack
 * begins with the access. The code below an interrupt was only interrupted, and the code below the
 * scheduler only slept while the scheduler worked for other tasks.
 */
#define RACE "BUG: KCSAN:"
#define RULE "=========="
#define STACK " of "
#define INTERRUPT " asm_"
#define SCHEDULER " __schedule+"
#define OURS "[umcg]"

static int kmsg = -1;
static int note = -1;
static FILE *copy;
static char *patterns[MAX_PATTERNS];
static unsigned int pattern_count;

/* The report that is being read, and whether there is one. */
static struct {
	char title[256];
	bool is_open, is_interrupted, ours;
} race;

unsigned int races_of_the_kernel;

static void read_patterns(void)
{
	FILE *file = fopen("/log-patterns", "re");
	size_t size = 0;

	while (file && pattern_count < MAX_PATTERNS &&
	       getline(&patterns[pattern_count], &size, file) > 0) {
		patterns[pattern_count][strcspn(patterns[pattern_count], "\n")] = '\0';
		if (patterns[pattern_count][0])
			pattern_count++;
		size = 0;
	}
	if (!pattern_count) {
		fprintf(stderr, "runner: no fault patterns\n");
		exit(1);
	}
	fclose(file);
}

void kernel_log_open(const char *copy_path)
{
	read_patterns();
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	note = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	copy = fopen(copy_path, "we");
	if (kmsg < 0 || note < 0 || !copy) {
		perror("runner: /dev/kmsg");
		exit(1);
	}
}

void kernel_log_note(const char *text)
{
	dprintf(note, "<4>runner: %s\n", text);
}

/*
 * Whether a report ends here that involves the module. The kernel itself has data races, so
 * this is known only at the end of a report.
 */
static bool race_of_ours_ends(const char *message)
{
	if (strstr(message, RACE)) {
		race.is_interrupted = false;
		snprintf(race.title, sizeof(race.title), "%.255s", message);
		race.is_open = true;
		race.ours = false;
	}
	if (strstr(message, STACK))
		race.is_interrupted = false;
	race.is_interrupted |= strstr(message, INTERRUPT) || strstr(message, SCHEDULER);
	race.ours |= !race.is_interrupted && strstr(message, OURS);
	if (!race.is_open || strncmp(message, RULE, strlen(RULE)))
		return false;
	race.is_open = false;
	races_of_the_kernel += !race.ours;
	return race.ours;
}

static bool tells_of_fault(const char *message)
{
	if (strstr(message, RACE))
		return false;
	for (unsigned int i = 0; i < pattern_count; i++)
		if (strstr(message, patterns[i]))
			return true;
	return false;
}

unsigned int kernel_log_report_faults(void)
{
	unsigned int faults = 0;
	char record[8192];

	for (;;) {
		unsigned long long microseconds = 0;
		ssize_t length = read(kmsg, record, sizeof(record) - 1);
		char *message;

		/* Records that were overwritten before they were read may have reported a fault. */
		if (length < 0 && errno == EPIPE) {
			fprintf(results, "# kernel log: lines were lost\n");
			continue;
		}
		if (length <= 0)
			break;
		record[length] = '\0';
		sscanf(record, "%*u,%*u,%llu", &microseconds);
		message = strchr(record, ';');
		message = message ? message + 1 : record;
		message[strcspn(message, "\n")] = '\0';
		fprintf(copy, "[%5llu.%06llu] %s\n", microseconds / 1000000,
			microseconds % 1000000, message);
		if (race_of_ours_ends(message))
			message = race.title;
		else if (!tells_of_fault(message))
			continue;
		if (faults++ < MAX_REPORTED)
			fprintf(results, "# kernel log: %s\n", message);
	}
	fflush(copy);
	return faults;
}
