// SPDX-License-Identifier: GPL-2.0
/* Files and command line of the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner.h"

bool write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, value, strlen(value)) >= 0;

	if (!good)
		fprintf(stderr, "runner: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return good;
}

unsigned int slowness(void)
{
	const char *times = getenv("UMCG_SLOWNESS");

	return times ? strtoul(times, NULL, 10) : 1;
}

void read_option(const char *key, char *value, size_t size)
{
	char line[4096] = "";
	FILE *file = fopen("/proc/cmdline", "re");
	size_t key_length = strlen(key);

	value[0] = '\0';
	if (!file)
		return;
	if (fgets(line, sizeof(line), file)) {
		for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n"))
			if (!strncmp(word, key, key_length) && word[key_length] == '=')
				snprintf(value, size, "%s", word + key_length + 1);
	}
	fclose(file);
}
