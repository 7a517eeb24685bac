// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU that counts how often each block of guest code is executed
 * between two marks: from a call of the function at begin= to one of that at end=.
 * It tells apart by which way the kernel came there: a way begins with the first
 * block of the kernel itself that follows on user space or a module.
 *
 * At the end it writes to out=: how often counting has begun, and for each block and
 * way the address of the block, how many instructions it has, the address that the
 * way begins with, or zero in user space and modules, and how often it was executed.
 */
#include "plugin.h"

/* Where x86_64 has the modules: above the kernel itself. */
#define MODULES_BEGIN	0xffffffffc0000000ULL

/* How often a block was executed by one way. */
struct way {
	uint64_t begin;
	unsigned long executions;
	struct way *next;
};

/* Code of the guest that is executed from its first to its last instruction. */
struct block {
	uint64_t address;
	size_t instructions;
	struct way *ways;
	struct block *next;
};

static struct block *blocks;
static unsigned long begins;
static bool counting;
/* The beginning of the way that the guest is on, or zero outside the kernel itself. */
static uint64_t way_begin;

static void count(struct block *block)
{
	struct way *way = block->ways;

	while (way && way->begin != way_begin)
		way = way->next;
	if (!way) {
		way = allocate(sizeof(*way));
		way->begin = way_begin;
		way->next = block->ways;
		block->ways = way;
	}
	way->executions++;
}

static void executes(unsigned int cpu, void *data)
{
	struct block *block = data;

	(void)cpu;
	if (block->address < KERNEL_BEGIN || block->address >= MODULES_BEGIN)
		way_begin = 0;
	else if (!way_begin)
		way_begin = block->address;

	if (block->address == begin_address) {
		begins++;
		counting = true;
	} else if (block->address == end_address) {
		counting = false;
	} else if (counting) {
		count(block);
	}
}

static void is_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *translated)
{
	struct block *block = allocate(sizeof(*block));

	(void)id;
	block->address = qemu_plugin_tb_vaddr(translated);
	block->instructions = qemu_plugin_tb_n_insns(translated);
	block->next = blocks;
	blocks = block;
	qemu_plugin_register_vcpu_tb_exec_cb(translated, executes, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void write_counts(qemu_plugin_id_t id, void *data)
{
	FILE *file = fopen(out_path, "w");

	(void)id;
	(void)data;
	if (!file)
		return;
	fprintf(file, "begins %lu\n", begins);
	for (const struct block *block = blocks; block; block = block->next) {
		for (const struct way *way = block->ways; way; way = way->next)
			fprintf(file, "%#lx %zu %#lx %lu\n", (unsigned long)block->address,
				block->instructions, (unsigned long)way->begin, way->executions);
	}
	fclose(file);
}

__attribute__((visibility("default")))
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	if (!read_arguments(argc, argv, NULL, NULL))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, is_translated);
	qemu_plugin_register_atexit_cb(id, write_counts, NULL);
	return 0;
}
