// SPDX-License-Identifier: GPL-2.0
/* What goes to the host: lines of results, and files as a cpio archive. */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner.h"

#define PORT_WAIT_SECONDS 20

FILE *results;

/* Finds the character device of the port that has this name; -1 if it is not there. */
static int open_port(const char *wanted)
{
	int fd = -1;
	glob_t found;

	if (glob("/sys/class/virtio-ports/*/name", 0, NULL, &found))
		return -1;
	for (size_t i = 0; i < found.gl_pathc && fd < 0; i++) {
		char name[64] = "", device[64], path[128];
		FILE *file = fopen(found.gl_pathv[i], "re");

		if (!file)
			continue;
		if (fscanf(file, "%63s", name) == 1 && !strcmp(name, wanted) &&
		    sscanf(found.gl_pathv[i], "/sys/class/virtio-ports/%63[^/]", device) == 1) {
			snprintf(path, sizeof(path), "/dev/%s", device);
			fd = open(path, O_WRONLY | O_CLOEXEC);
		}
		fclose(file);
	}
	globfree(&found);
	return fd;
}

/* Ports come up some time after their device, by messages from the host. */
static FILE *wait_for_port(const char *name)
{
	double deadline = now_seconds() + PORT_WAIT_SECONDS;
	FILE *port;
	int fd;

	while ((fd = open_port(name)) < 0) {
		if (now_seconds() > deadline) {
			fprintf(stderr, "runner: no virtio port %s\n", name);
			exit(1);
		}
		sleep_milliseconds(10);
	}
	port = fdopen(fd, "w");
	if (!port)
		exit(1);
	return port;
}

void channel_open(void)
{
	results = wait_for_port("umcg.results");
	setvbuf(results, NULL, _IOLBF, 0);
}

static void pad_to_four(FILE *archive, size_t length)
{
	while (length++ % 4)
		fputc(0, archive);
}

/* One entry of a cpio archive of the "newc" kind. */
static void write_entry(FILE *archive, const char *name, unsigned int mode, FILE *content,
			size_t size)
{
	size_t name_size = strlen(name) + 1;
	unsigned int fields[13] = { 0, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0 };

	fputs("070701", archive);
	for (int i = 0; i < 13; i++)
		fprintf(archive, "%08X", fields[i]);
	fwrite(name, 1, name_size, archive);
	pad_to_four(archive, 6 + 13 * 8 + name_size);
	for (size_t i = 0; i < size; i++) {
		int byte = fgetc(content);

		/* A file that shrinks meanwhile must not spoil the archive. */
		fputc(byte == EOF ? 0 : byte, archive);
	}
	pad_to_four(archive, size);
}

static void send_file(FILE *archive, const char *folder, const char *name)
{
	char path[512];
	struct stat info;
	FILE *content;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	content = fopen(path, "re");
	if (!content)
		return;
	if (!fstat(fileno(content), &info) && S_ISREG(info.st_mode))
		write_entry(archive, name, S_IFREG | 0644, content, info.st_size);
	fclose(content);
}

void channel_send_files(const char *folder)
{
	FILE *archive = wait_for_port("umcg.files");
	struct dirent *entry;
	DIR *dir = opendir(folder);

	while (dir && (entry = readdir(dir)))
		send_file(archive, folder, entry->d_name);
	if (dir)
		closedir(dir);
	write_entry(archive, "TRAILER!!!", 0, NULL, 0);
	fclose(archive);
}
