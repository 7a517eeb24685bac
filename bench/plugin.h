/* SPDX-License-Identifier: GPL-2.0 */
/* What the plugins for QEMU share: their arguments, and memory. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin.h"

/* Where x86_64 has the kernel: above user space. */
#define KERNEL_BEGIN	(1ULL << 63)

__attribute__((visibility("default"))) int qemu_plugin_version = 4;

static uint64_t begin_address, end_address;
static const char *out_path;

/* Reads begin=, end= and out=, and @name if it is one, to @address. Whether all were there. */
static bool read_arguments(int argc, char **argv, const char *name, uint64_t *address)
{
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "begin=", 6))
			begin_address = strtoull(argv[i] + 6, NULL, 16);
		else if (!strncmp(argv[i], "end=", 4))
			end_address = strtoull(argv[i] + 4, NULL, 16);
		else if (!strncmp(argv[i], "out=", 4))
			out_path = strdup(argv[i] + 4);
		else if (name && !strncmp(argv[i], name, strlen(name)))
			*address = strtoull(argv[i] + strlen(name), NULL, 16);
	}
	return begin_address && end_address && out_path && (!name || *address);
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

#endif
