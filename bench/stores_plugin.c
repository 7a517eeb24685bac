// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU that counts to which cache lines the guest's kernel stores between two
 * marks: from a call of the function at begin= to one of that at end=. Which set the counts
 * belong to the guest says by a store to a word of the array at sets=, of SETS words; to the
 * first one if to none.
 *
 * At the end it writes to out=: for each set how often counting has begun, and for each set,
 * line and instruction that has stored there how often.
 */
#include "plugin.h"

#define LINE		64
/* As in sharing.c. */
#define SETS		64
#define BUCKETS		(1U << 16)

struct store {
	unsigned int set;
	uint64_t line;
	uint64_t instruction;
	unsigned long times;
	struct store *next;
};

static struct store *buckets[BUCKETS];
static uint64_t sets_address;
static unsigned long begins[SETS];
static unsigned int set;
static bool counting;

static void count(uint64_t line, uint64_t instruction)
{
	const uint64_t hash = (line ^ instruction << 20 ^ set) * 0x9e3779b97f4a7c15ULL;
	struct store **bucket = &buckets[hash >> 48], *store = *bucket;

	while (store && (store->set != set || store->line != line ||
			 store->instruction != instruction))
		store = store->next;
	if (!store) {
		store = allocate(sizeof(*store));
		*store = (struct store){ set, line, instruction, 0, *bucket };
		*bucket = store;
	}
	store->times++;
}

static void stores(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	(void)cpu;
	(void)info;
	if (address - sets_address < SETS * sizeof(uint64_t))
		set = (address - sets_address) / sizeof(uint64_t);
	else if (counting && address >= KERNEL_BEGIN)
		count(address & -LINE, (uintptr_t)data);
}

static void begins_batch(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	begins[set]++;
	counting = true;
}

static void ends_batch(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	counting = false;
}

static void is_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	const uint64_t address = qemu_plugin_tb_vaddr(block);

	(void)id;
	if (address == begin_address || address == end_address)
		qemu_plugin_register_vcpu_tb_exec_cb(
			block, address == begin_address ? begins_batch : ends_batch,
			QEMU_PLUGIN_CB_NO_REGS, NULL);
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);

		qemu_plugin_register_vcpu_mem_cb(instruction, stores, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_W,
						 (void *)(uintptr_t)
						 qemu_plugin_insn_vaddr(instruction));
	}
}

static void write_counts(qemu_plugin_id_t id, void *data)
{
	FILE *file = fopen(out_path, "w");

	(void)id;
	(void)data;
	if (!file)
		return;
	for (unsigned int i = 0; i < SETS; i++) {
		if (begins[i])
			fprintf(file, "begins %u %lu\n", i, begins[i]);
	}
	for (unsigned int i = 0; i < BUCKETS; i++) {
		for (const struct store *store = buckets[i]; store; store = store->next)
			fprintf(file, "%u %#lx %#lx %lu\n", store->set, (unsigned long)store->line,
				(unsigned long)store->instruction, store->times);
	}
	fclose(file);
}

__attribute__((visibility("default")))
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	if (!read_arguments(argc, argv, "sets=", &sets_address))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, is_translated);
	qemu_plugin_register_atexit_cb(id, write_counts, NULL);
	return 0;
}
