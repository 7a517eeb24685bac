// SPDX-License-Identifier: GPL-2.0
/*
 * Witnesses: processes that do ordinary work beside the hostile ones, and detect whatever
 * goes wrong with it.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "umcg_crew.h"
#include "hostile.h"

#define BLOCK_WORDS	512
/* A witness that has made no progress for this long was disturbed. */
#define STILL_SECONDS	(20 * slowness())
#define SERVERS		2
#define WORKERS		4

/* What this process is, or has started last. */
static struct witness *witness;

static void complain(const char *what)
{
	snprintf(witness->fault, sizeof(witness->fault), "%s", what);
	_exit(1);
}

/* The threads of the witness with the pipe. */
static struct umcg_thread writer;
static int pipe_ends[2];
/* How many blocks the reader has read. */
static _Atomic uint32_t blocks_read;

static uint64_t sum_of(const uint64_t block[BLOCK_WORDS])
{
	uint64_t sum = 0;

	for (int i = 0; i < BLOCK_WORDS; i++)
		sum = (sum << 7 | sum >> 57) ^ block[i];
	return sum;
}

/* The last word of each block is the sum of the others. */
static void write_blocks(struct umcg_thread *self)
{
	uint64_t block[BLOCK_WORDS] = {};
	struct dice dice;

	dice_begin(&dice, self->tid, 0);
	for (uint32_t written = 0; !witness->enough; written++) {
		block[BLOCK_WORDS - 1] = 0;
		for (int i = 0; i < BLOCK_WORDS - 1; i++)
			block[i] = dice_bits(&dice);
		block[BLOCK_WORDS - 1] = sum_of(block);
		if (write(pipe_ends[1], block, sizeof(block)) != sizeof(block))
			complain("a write to a pipe has failed");
		while (blocks_read == written)
			syscall(SYS_futex, &blocks_read, FUTEX_WAIT_PRIVATE, written, NULL);
		if (blocks_read != written + 1)
			complain("a word that was not written has changed");
		/* A witness, and no load. */
		sleep_ms(1);
	}
	close(pipe_ends[1]);
}

static bool read_block(uint64_t block[BLOCK_WORDS])
{
	size_t have = 0;

	while (have < BLOCK_WORDS * sizeof(*block)) {
		const ssize_t got = read(pipe_ends[0], (char *)block + have,
					 BLOCK_WORDS * sizeof(*block) - have);

		if (got < 0)
			complain("a read from a pipe has failed");
		if (!got)
			return false;
		have += got;
	}
	return true;
}

static int pass_bytes(void *argument)
{
	uint64_t block[BLOCK_WORDS], sum;

	(void)argument;
	if (pipe(pipe_ends))
		complain("there is no pipe");
	thread_start(&writer, write_blocks);
	while (!writer.tid)
		sleep_ms(1);
	witness->tids[0] = getpid();
	witness->tids[1] = writer.tid;
	while (read_block(block)) {
		sum = block[BLOCK_WORDS - 1];
		block[BLOCK_WORDS - 1] = 0;
		if (sum != sum_of(block))
			complain("what was read is not what was written");
		witness->rounds++;
		blocks_read++;
		syscall(SYS_futex, &blocks_read, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	return 0;
}

static void take_turns(struct umcg_thread *self)
{
	while (!witness->enough) {
		crew_take_turn(self);
		witness->rounds++;
		sleep_ms(2);
	}
}

static int run_crew(void *argument)
{
	static struct umcg_crew crew;
	long wrong = 0;

	(void)argument;
	umcg_test_begin(0);
	crew_start(&crew, SERVERS, WORKERS, take_turns);
	for (int i = 0; i < SERVERS + WORKERS; i++) {
		struct umcg_thread *thread = i < SERVERS ? &crew.servers[i] :
							   &crew.workers[i - SERVERS];

		while (!thread->tid)
			sleep_ms(1);
		witness->tids[i] = thread->tid;
	}
	while (!witness->enough && !crew.fault)
		sleep_ms(10);
	if (crew.fault)
		complain(crew.fault);
	if (!crew_ends(&crew))
		complain("a group does not finish");
	for (int i = 0; i < WORKERS; i++)
		wrong |= crew.workers[i].result;
	if (wrong || crew.fault)
		complain(crew.fault ?: "a step of a worker has failed");
	return 0;
}

static struct witness *start(int (*body)(void *argument))
{
	witness = shared_memory(sizeof(*witness));
	witness->seen_ns = monotonic_ns();
	witness->pid = gang_start(body, NULL);
	return witness;
}

struct witness *witness_with_pipe(void)
{
	return start(pass_bytes);
}

struct witness *witness_with_workers(void)
{
	return start(run_crew);
}

bool witness_is_well(struct witness *this)
{
	const unsigned long rounds = this->rounds;
	const uint64_t now = monotonic_ns();

	if (rounds != this->rounds_seen) {
		this->rounds_seen = rounds;
		this->seen_ns = now;
	} else if (now - this->seen_ns > STILL_SECONDS * NSEC_PER_SEC) {
		snprintf(this->fault, sizeof(this->fault), "makes no progress after %lu rounds", rounds);
	} else if (gang_leader_ended(this->pid) && !this->fault[0]) {
		snprintf(this->fault, sizeof(this->fault), "has ended after %lu rounds", rounds);
	}
	return !this->fault[0];
}

bool witness_ends(struct witness *this)
{
	int status = -1;

	this->enough = true;
	if (!SOON(gang_leader_ended(this->pid)) && !this->fault[0])
		snprintf(this->fault, sizeof(this->fault), "does not finish");
	if (!gang_kill(this->pid, &status))
		return false;
	if (status && !this->fault[0])
		snprintf(this->fault, sizeof(this->fault), "wait status %#x", status);
	return !this->fault[0];
}
