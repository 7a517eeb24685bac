/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Control groups (version 2) that a test creates in a hierarchy mounted for it.
 */
#ifndef UMCG_CGROUP_H
#define UMCG_CGROUP_H

#include <stdbool.h>

struct cgroup {
	/* Where the hierarchy is mounted, and the group in it. */
	char root[32];
	char path[64];
};

/* Creates a group: 0, or a negative errno if the kernel has no such thing. */
int cgroup_create(struct cgroup *cgroup);
/* Removes it, as soon as no process is in it, and the mount. */
bool cgroup_remove(struct cgroup *cgroup);

bool cgroup_write(const struct cgroup *cgroup, const char *name, const char *value);
/* Whether a file of the group contains this text. */
bool cgroup_has(const struct cgroup *cgroup, const char *name, const char *text);

#endif /* UMCG_CGROUP_H */
