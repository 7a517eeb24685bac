/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol between servers, workers and the kernel, for the model checker SPIN:
 * two servers, two or three workers, and a thread that kicks workers. The
 * kernel's half (kernel.pml) and the library's (library.pml) follow the code; each
 * inline says which functions it models.
 *
 * A worker registers, which is to wake from a block; runs; then blocks, or waits
 * and is woken by the server it ran under, or is preempted, or unregisters. OPS
 * limits how often workers do anything but unregister, in all; without OPS there is
 * no limit. The servers run idle workers. As any worker may unregister at any time,
 * a lost one is alone with the servers in the end, which is an invalid end state: no
 * worker and no server is left asleep. Asserted: a worker is in user mode only under
 * a server, which waits meanwhile and runs no other worker; each change finds the
 * word as the protocol says; a worker is pushed when it is on no list; no link is
 * followed that is not written yet; no process is killed.
 *
 * A step is what is atomic here, or a single statement. Every step changes or looks
 * at one thing that others change at the same time, except that steps are joined
 * - where the comment at the place says why;
 * - the change of a word to RUNNING with the wake-up that follows it: a task that is woken
 *   too late has not slept, or looks at its word once more;
 * - where a word is looked at and replaced by the same task and only that task may
 *   change it then, which is asserted where others change words.
 *
 * Wake-ups that come too early, and timeouts, have a model of their own, wakeups.pml.
 *
 * Not modelled: weak memory and the two halves of "write, then wake", which loom
 * goes through (selftests/loom); timestamps, for no step here could mistake a word
 * for an older one; swaps between workers; the death of a server; memory that cannot
 * be used.
 *
 * With SIGNALS worker 3 gets an immediate signal at any moment. With HANDSHAKE it is
 * server 1 that sends it, and waits for the answer; else the handler sleeps until
 * worker 4 has left, which it may only do when a server has run it.
 *
 * The constants BUG_* leave out what keeps the protocol right. run.sh shows that
 * each of them is found.
 *
 * Where a run fails that should not, run.sh prints the last steps of one way to
 * that state: process and number, which is the number of the task; the line; the
 * statement; below it, the values that it has changed. At the end come all values,
 * and where each process stands. If it is an end state that is not valid, the
 * processes without that remark are those that are forgotten.
 */

/* Tasks: 1 and 2 are servers, 3 to 5 are workers. */
#define NOBODY	0
#define TASKS	6

/* Of a node: the worker is on no list, or its link is not written yet. */
#define HEAD	6
#define PENDING	7

/* State words: state, flags, and the bits of lib/c/src/raw/bits.rs. */
#define NONE	0
#define RUNNING	1
#define IDLE	2
#define BLOCKED	3
#define LOCKED	4
#define PREEMPTED	8
#define TAKEN	16
#define WAITS	32
#define QUEUED	64
#define POLLS	64

#define IS(word, state)		(((word) & 3) == (state))
#define MOVED(word, state)	(((word) & ~3) | (state))
#define RUNS(word)		(((word) & 7) == RUNNING)
#define SHOULD_IDLE(word)	(((word) & 7) == IDLE || ((word) & 7) == (RUNNING | LOCKED))

/* struct umcg_task; the mark of a sleeper; task work queued by a peer. */
byte word[TASKS];
byte next_tid[TASKS];
byte link[TASKS];
bit asleep[TASKS];
bit work[TASKS];

/* struct umcg_group: first what the kernel shares. */
byte head;
byte slot;
bit locked;
byte first_idle;
byte last_idle;
byte waiting;
byte waiting_next;
byte announced;

#ifdef SIGNALS
/* The signal is pending; its handler has answered; who sleeps in it may go on. */
bit signalled[TASKS];
bit answered;
#ifdef HANDSHAKE
byte signals = SIGNALS;
bit told = 1;
#else
bit told;
#endif
#endif

/* By server: the worker that is in user mode under it. */
byte runs[3];

#define ENTERS_USER_MODE						\
	assert(next_tid[me] && word[next_tid[me]] == IDLE);		\
	assert(!runs[next_tid[me]] || runs[next_tid[me]] == me);	\
	runs[next_tid[me]] = me

/*
 * Or before it gets there, if it is preempted at once. `server` is the one it ran
 * under, and next_tid is cleared, because it must not be read any more.
 */
#define LEAVES_USER_MODE						\
	server = next_tid[me];						\
	assert(server && (!runs[server] || runs[server] == me));	\
	runs[server] = NOBODY;						\
	next_tid[me] = NOBODY

#ifdef OPS
byte ops = OPS;
#define MAY_ACT	(ops > 0)
#define ACTS	ops--
#else
#define MAY_ACT	true
#define ACTS	skip
#endif

#include "kernel.pml"
#include "library.pml"

proctype Server(byte me)
{
	byte worker, other, node, next, first, last;
	bit is_back;

	do
	::
#ifdef HANDSHAKE
		if
		:: atomic { signals -> signals--; answered = 0; signalled[3] = 1 };
			atomic { answered || word[3] == NONE -> skip }
		:: true
		fi;
#endif
		next_worker();
		run_worker();
		worker_wake()
	od
}

/* They begin one after the other, for they are all alike; the first one is not. */
proctype Worker(byte me)
{
	byte server, first;

#ifndef SIGNALS
	word[me - 1] != BLOCKED;
#endif
	do
	:: settle();
		if
		:: work[me]
		:: atomic { MAY_ACT -> ACTS }; block()
		:: atomic { MAY_ACT -> ACTS }; worker_wait()
#ifdef SIGNALS
		:: signalled[me] -> handle()
#endif
		:: unregister(); break
		fi
	od
#ifdef SIGNALS
	;
	if
	:: me == 4 -> told = 1
	:: else
	fi
#endif
}

#ifdef SIGNALS
#ifndef HANDSHAKE
proctype Signaller()
{
	signalled[3] = 1
}
#endif
#endif

proctype Kicker()
{
end:	do
	:: preempt(3)
#ifdef OPS
	:: preempt(4)
	:: preempt(5)
#endif
	od
}

init
{
	atomic {
		word[1] = RUNNING; word[2] = RUNNING;
		word[3] = BLOCKED; word[4] = BLOCKED; word[5] = BLOCKED;
		link[3] = HEAD; link[4] = HEAD; link[5] = HEAD;
		run Server(1);
#if SERVERS != 1
		run Server(2);
#endif
		run Worker(3); run Worker(4);
#if WORKERS == 3
		run Worker(5);
#endif
#ifdef SIGNALS
#ifndef HANDSHAKE
		run Signaller();
#endif
#endif
		run Kicker()
	}
}
