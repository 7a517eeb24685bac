/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of slots and deschedule notifications share: the calls, and how a
 * slot is read.
 */
#ifndef UMCG_SCHED_H
#define UMCG_SCHED_H

#include "umcg_test.h"

/* Where a descriptor of the device maps the slots. */
extern const struct umcg_sched_state *slots;

/* Maps all slots. Returns false if that fails. */
bool slots_map(void);

/* The calls: a slot, 0, or a negative errno. */
int slot_register(uint32_t flags);
int slot_unregister(void);
int desched_add(uint64_t cookie, uint32_t flags, void *address, uint32_t width, uint64_t value);
int desched_remove(uint64_t cookie);

/* The state alone, and a count of the changes. */
uint32_t slot_state(int slot);
uint32_t slot_seq(int slot);
/* All fields, consistently; false if they change all the time. */
bool slot_snapshot(int slot, struct umcg_sched_state *copy);

/*
 * Executes this program, which exits at once: its exit status is the number of its slots
 * and notifications, 0 if all is well.
 */
#define HAS_SLOT		1
#define HAS_NOTIFICATION	2
#define HAS_NOT_BEGUN		4
_Noreturn void exec_and_tell(void);

/* As stay_until_told(), with a slot of its own: its number is in "result" before the phase is 1. */
void stay_with_slot(struct umcg_thread *self);

/* Notifications of the tests: whenever the thread leaves its CPU. */
#define ALWAYS	(UMCG_DESCHED_ON_PREEMPT | UMCG_DESCHED_ON_BLOCK)
#define COOKIE	0xc00c1eULL
#define MARK	0x1234567890abcdefULL

/*
 * A thread that sets a word repeatedly, and checks that the kernel writes zero to it
 * whenever the thread was descheduled, and only then.
 */
struct watch {
	_Atomic uint64_t *word;
	_Atomic bool over;
	/* How many deschedules it is to see, unless it is told to stop. */
	uint64_t enough;
	_Atomic uint64_t departures;
	_Atomic uint64_t lies;
};

void watch_word(struct umcg_thread *self);

/* What the calling thread has switched so far. */
long own_switches(void);
/* Leaves the CPU for a moment: sleeps. */
void block_once(void);

#endif /* UMCG_SCHED_H */
