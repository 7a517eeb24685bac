// SPDX-License-Identifier: GPL-2.0
/*
 * Control groups (version 2) that a test creates in a hierarchy mounted for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "umcg_cgroup.h"
#include "umcg_test.h"

int cgroup_create(struct cgroup *cgroup)
{
	*cgroup = (struct cgroup){ .root = "/tmp/cgroup-XXXXXX" };
	if (!mkdtemp(cgroup->root))
		return -errno;
	if (mount("none", cgroup->root, "cgroup2", 0, NULL)) {
		const int err = -errno;

		rmdir(cgroup->root);
		return err;
	}
	snprintf(cgroup->path, sizeof(cgroup->path), "%s/umcg-%d", cgroup->root, getpid());
	return mkdir(cgroup->path, 0755) ? -errno : 0;
}

bool cgroup_remove(struct cgroup *cgroup)
{
	return SOON(!rmdir(cgroup->path)) && !umount(cgroup->root) && !rmdir(cgroup->root);
}

bool cgroup_write(const struct cgroup *cgroup, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", cgroup->path, name);
	return write_file(path, value);
}

bool cgroup_has(const struct cgroup *cgroup, const char *name, const char *text)
{
	char path[128], content[256];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cgroup->path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = read(fd, content, sizeof(content) - 1);
	close(fd);
	content[length < 0 ? 0 : length] = '\0';
	return strstr(content, text);
}
