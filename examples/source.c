// SPDX-License-Identifier: GPL-2.0
/*
 * The file or disk that workers read from. Every page is used once, and none is in memory
 * at first, so that access to one waits for the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "demo.h"

#define DISK "/dev/vda"

enum {
	SOURCE_SIZE = 64 << 20,
	PAGE_SIZE = 4096,
	/* Workers that use the source, and how far apart their pages are. */
	USERS = 4,
	PAGE_DISTANCE = SOURCE_SIZE / PAGE_SIZE / (USERS * ROUNDS),
};

static const char *mapping;
static int direct_fd = -1;

static bool complain(const char *name, const char *what)
{
	fprintf(stderr, "demo: %s: %s: %s\n", name, what, strerror(errno));
	return false;
}

static bool write_random_data(int fd)
{
	static char block[1 << 20];

	for (int size = 0; size < SOURCE_SIZE; size += sizeof(block)) {
		if (getrandom(block, sizeof(block), 0) != sizeof(block) ||
		    write(fd, block, sizeof(block)) != sizeof(block))
			return false;
	}

	return fsync(fd) == 0;
}

/* The name stays for a second open(); the caller removes it. */
static int make_temporary(char *name)
{
	int fd = mkstemp(name);

	if (fd < 0) {
		complain(name, "cannot be made; name a file or a disk with -f");
	} else if (!write_random_data(fd)) {
		complain(name, "cannot be filled");
		close(fd);
		unlink(name);
		fd = -1;
	}

	return fd;
}

/* A file system without a disk has its data in memory: nothing ever blocks. */
static bool can_block(int fd, const char *name)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return complain(name, "fstatfs()");
	/* The device nodes are in a file system of this kind themselves. */
	if (strncmp(name, "/dev/", 5) == 0)
		return true;
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		return true;

	fprintf(stderr,
		"demo: %s is in memory (tmpfs or initramfs), where reading never blocks:\n"
		"demo: name a file of 64 MiB or more on a disk, or a disk, with -f\n", name);
	return false;
}

/*
 * read() must not find what a page fault has brought in, so it goes round the
 * page cache where the file system lets it.
 */
static bool use(int fd, const char *name)
{
	if (!can_block(fd, name))
		return false;
	if (lseek(fd, 0, SEEK_END) < SOURCE_SIZE) {
		fprintf(stderr, "demo: %s has less than 64 MiB\n", name);
		return false;
	}

	posix_fadvise(fd, 0, SOURCE_SIZE, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, SOURCE_SIZE, POSIX_FADV_RANDOM);
	mapping = mmap(NULL, SOURCE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (mapping == MAP_FAILED)
		return complain(name, "cannot be mapped");
	madvise((void *)mapping, SOURCE_SIZE, MADV_RANDOM);

	direct_fd = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (direct_fd < 0)
		direct_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return direct_fd >= 0 || complain(name, "cannot be opened again");
}

bool open_source(const char *name)
{
	char temporary[] = "/var/tmp/umcg-demo-XXXXXX";
	bool is_temporary = false;
	bool good;
	int fd;

	fd = open(name ? name : DISK, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && name)
		return complain(name, "cannot be opened");
	if (fd < 0) {
		fd = make_temporary(temporary);
		if (fd < 0)
			return false;
		is_temporary = true;
	}

	good = use(fd, is_temporary ? temporary : name ? name : DISK);
	if (is_temporary)
		unlink(temporary);
	close(fd);

	return good;
}

static off_t offset_of(int slot, int round)
{
	return (off_t)(slot * ROUNDS + round) * PAGE_DISTANCE * PAGE_SIZE;
}

static uint64_t checksum(const char *page)
{
	const uint64_t *words = (const uint64_t *)page;
	uint64_t sum = 0;

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		sum = (sum << 1 | sum >> 63) ^ words[i];

	return sum;
}

uint64_t checksum_by_fault(int slot, int round)
{
	return checksum(mapping + offset_of(slot, round));
}

/* Zero if it fails: then the checksums do not agree. */
uint64_t checksum_by_read(int slot, int round)
{
	alignas(PAGE_SIZE) char page[PAGE_SIZE];

	if (pread(direct_fd, page, PAGE_SIZE, offset_of(slot, round)) != PAGE_SIZE)
		return 0;

	return checksum(page);
}
