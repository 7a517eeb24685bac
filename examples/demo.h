/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the demo share.
 */
#ifndef _DEMO_H
#define _DEMO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libumcg.h"

enum {
	SERVERS = 2,
	WORKERS = 16,
	ROUNDS = 24,
};

/* What a worker blocks in. */
enum kind {
	KIND_SLEEP,
	KIND_PIPE,
	KIND_SOCKET,
	KIND_FUTEX,
	KIND_FAULT,
	KIND_READ,
	KINDS,
	/* Blocked where the demo did not ask for it. */
	KIND_OTHER = KINDS,
};

/**
 * struct worker - a worker and its work
 * @index: 0 to WORKERS - 1
 * @kind: what it blocks in
 * @slot: its number among the workers of its kind
 * @peer: for kinds that talk: the worker that it talks with
 * @in: for pipes and sockets: where it reads
 * @out: for pipes and sockets: where it writes
 * @mail: for futexes: the word on which it sleeps, and the number of the letter
 * @letter: for futexes: what the peer has written
 * @blocks_in: an enum kind: what it does now, for the server that gets its
 *	thread back
 * @checksums: for files: what it has read in each round
 * @rounds: how many rounds it has done
 * @failure: what went wrong, or NULL
 */
struct worker {
	int index;
	enum kind kind;
	int slot;
	struct worker *peer;
	int in;
	int out;
	_Atomic uint32_t mail;
	uint64_t letter;
	_Atomic int blocks_in;
	uint64_t checksums[ROUNDS];
	int rounds;
	const char *failure;
};

/**
 * struct event - a change of state of a worker
 * @ns: when, in nanoseconds of CLOCK_MONOTONIC
 * @worker: which one
 * @server: the server that ran it or runs it; for %UMCG_TASK_IDLE: the one that
 *	has found it
 * @state: what it is from now on; %UMCG_TASK_NONE: it has unregistered
 * @kind: for %UMCG_TASK_BLOCKED: what in
 * @seen: for %UMCG_TASK_BLOCKED: the server has still found it so
 */
struct event {
	uint64_t ns;
	short worker;
	short server;
	short state;
	short kind;
	bool seen;
};

/* A list of events that grows. */
struct events {
	struct event *first;
	size_t count;
	size_t capacity;
};

/* events.c */
void log_event(struct events *events, struct event event);
void merge_events(struct events *all, const struct events *more);
void sort_events(struct events *events);
bool check_events(const struct events *events);
void print_events(const struct events *events);
bool print_tables(const struct events *events, const struct worker *workers);

/* source.c */
bool open_source(const char *name);
uint64_t checksum_by_fault(int slot, int round);
uint64_t checksum_by_read(int slot, int round);

/* timeline.c */
bool write_timeline(const char *path, const struct events *events, const struct worker *workers);

/* work.c */
extern const char *const kind_names[KINDS + 1];
extern const char *const kind_calls[KINDS + 1];
bool prepare_work(struct worker *workers);
void do_work(struct worker *worker);
bool check_work(struct worker *workers);

uint64_t monotonic_ns(void);

#endif /* _DEMO_H */
