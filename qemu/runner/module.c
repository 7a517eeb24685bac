// SPDX-License-Identifier: GPL-2.0
/* Loads and removes kernel modules, and asks umcg.ko what is registered. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner.h"

#define UMCG_MODULE	"/umcg.ko"
#define UMCG_STATS	"/sys/kernel/debug/umcg/stats"
#define FORGET_SECONDS	8

int load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return errno;
	if (syscall(SYS_finit_module, fd, "", 0))
		error = errno;
	close(fd);
	return error;
}

/* Their names sort in the order in which they need each other. */
void load_stock_modules(const char *folder)
{
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*.ko", folder);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int error = load_module(found.gl_pathv[i]);

		if (error)
			fprintf(stderr, "runner: %s: %s\n", found.gl_pathv[i], strerror(error));
	}
	globfree(&found);
}

int ensure_umcg_loaded(void)
{
	if (!access("/sys/module/umcg", F_OK))
		return 0;
	return load_module(UMCG_MODULE);
}

int remove_umcg(void)
{
	return syscall(SYS_delete_module, "umcg", O_NONBLOCK) ? errno : 0;
}

/* Returns the first value that should be zero and is not; 0 if all is well, -1 without stats. */
static long first_leftover(char key[64])
{
	static const char *const must_be_zero[] = {
		"servers", "workers", "records", "pinned_pages", "watched", "slot_pages"
	};
	const unsigned int wanted = sizeof(must_be_zero) / sizeof(must_be_zero[0]);
	FILE *file = fopen(UMCG_STATS, "re");
	unsigned int seen = 0;
	long value, left = 0;

	if (!file)
		return -1;
	while (!left && fscanf(file, "%63s %ld", key, &value) == 2) {
		for (unsigned int i = 0; i < wanted; i++) {
			if (strcmp(key, must_be_zero[i]))
				continue;
			seen++;
			left = value;
		}
	}
	fclose(file);
	return left || seen == wanted ? left : -1;
}

bool nothing_left_registered(void)
{
	double deadline = now_seconds() + FORGET_SECONDS * slowness();
	char key[64] = "";
	long left;

	while ((left = first_leftover(key)) > 0 && now_seconds() < deadline)
		sleep_milliseconds(20);
	if (left < 0)
		fprintf(results, "# %s is missing or does not have all its lines\n", UMCG_STATS);
	else if (left > 0)
		fprintf(results, "# left behind: %s %ld\n", key, left);
	return left == 0;
}
