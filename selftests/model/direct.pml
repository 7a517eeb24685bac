/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Direct mode for the model checker SPIN: two servers, three workers, a ring of one
 * place, and a watcher. The kernel's half follows umcg/direct.rs and
 * umcg/direct_worker.rs, the other half is a program that keeps the contract; each
 * inline says which functions it models.
 *
 * A worker registers, which is to wake from a block; runs; then it blocks, perhaps until
 * nobody is queued, or spins until nobody is queued, perhaps in a critical section at
 * first, or leaves. OPS is how often workers do anything but leave, in all. The servers
 * run what is queued. With DEATH, server 1 may stop waiting and wait again, or exit
 * where it waits. With WATCH, a watcher kicks any worker that spins when a worker is queued and
 * no server is idle. With FIFO the kernel fills the ring, else the servers do. With
 * FINE, servers take workers off the list in smaller steps. SERVERS may be 1.
 *
 * As any worker may leave at any time, one that is forgotten is alone in the end, and
 * the auditor finds it: all workers have left, and the servers are in the set, or
 * dead. What is asserted besides: a worker comes to user mode only under a server that
 * waits, is not in the set, and runs nobody else; no worker is adopted while one that
 * came before it is queued; none gives way in a critical section.
 *
 * A step is what is atomic here, or a single statement. It looks at one word of the
 * group or of a task, or changes it, except that steps are joined
 * - where a word is changed and its thread woken: how a thread sleeps until its word
 *   changes is gone through in umcg.pml;
 * - where only the task itself looks at what it changes.
 *
 * Not modelled: how the list, the ring and the lists of the program are made of
 * smaller steps, and weak memory, which loom goes through (selftests/loom); wrong
 * words in the group; workers that wait of their own accord; memory that is missing.
 *
 * The constants BUG_* leave out what keeps the protocol right, or break it. run.sh
 * shows that each of them is found.
 */

/* Tasks: 1 and 2 are servers, 3 to 5 are workers, 6 is the watcher. */
#define NOBODY	0
#define WATCHER	6
#define TASKS	7
#define BIT(task)	(1 << (task))

#define NONE	0
#define RUNNING	1
#define IDLE	2
#define BLOCKED	3
#define PREEMPTED	8

#define IS(word, state)		(((word) & 3) == (state))
#define RUNS(word)		(((word) & 7) == RUNNING)

/* struct umcg_task; a task work that somebody has queued. */
byte word[TASKS];
byte next_tid[TASKS];
bit work[TASKS];
bit critical[TASKS];
/* It spins in user mode. */
bit spins[TASKS];

/* struct umcg_direct_group; the list and the set are bits by task. */
byte list;
bit queued;
byte ring;
byte set;
byte watcher;

/* The list of the program, and its lock. */
byte taken;
bit locked;

/* By server: it has no number any more; the worker that is in user mode under it. */
bit dead[3];
byte runs[3];

/* By worker that wakes: who was queued before it, and has not been run since. */
byte ahead[TASKS];

#define QUEUED	(list | taken | (ring -> BIT(ring) : 0))

#define IS_RUN(worker)							\
	ahead[3] = ahead[3] & ~BIT(worker);				\
	ahead[4] = ahead[4] & ~BIT(worker);				\
	ahead[5] = ahead[5] & ~BIT(worker)

byte ops = OPS;
#define MAY_ACT	(ops > 0)
#define ACTS	ops--

#define ENTERS_USER_MODE						\
	assert(next_tid[me]);						\
	assert(dead[next_tid[me]] ||					\
	       (word[next_tid[me]] == IDLE && !(set & BIT(next_tid[me]))));	\
	assert(!runs[next_tid[me]] || runs[next_tid[me]] == me);	\
	runs[next_tid[me]] = me

/* Or before it gets there, if it is to give way at once. `server` is whom it ran under. */
#define LEAVES_USER_MODE						\
	server = next_tid[me];						\
	assert(server && (!runs[server] || runs[server] == me));	\
	runs[server] = NOBODY;						\
	next_tid[me] = NOBODY

/* registry::start() */
inline start_server(server)
{
	atomic {
		gone = word[server] == NONE;
		if
		:: word[server] == IDLE -> word[server] = RUNNING
		:: else
		fi
	}
}

/* direct::has_work(): looks in the order in which workers move. */
inline has_work()
{
	found = list != 0;
	found = found || queued;
	found = found || ring != NOBODY
}

/* The same, where it is not what keeps workers from being forgotten. */
#ifdef FINE
#define look()	has_work()
#else
#define look()	atomic { has_work() }
#endif

#define FIRST_OF(set)	((set) & BIT(1) -> 1 : ((set) & BIT(2) -> 2 : NOBODY))

/* direct::take_server(): the result is `other`, or nobody. A bit without a server is dropped. */
inline take_server()
{
	do
#ifdef BUG_TWO_TAKE_ONE_SERVER
	:: other = FIRST_OF(set);
		set = set & ~BIT(other);
#else
	:: atomic { other = FIRST_OF(set); set = set & ~BIT(other) };
#endif
#ifdef DEATH
		if
		:: atomic { dead[other] -> other = NOBODY }
		:: atomic { !dead[other] -> break }
		fi
#else
		break
#endif
	od
}

/* direct_worker::start_idle_server(): a server that is gone is followed by the next one. */
inline start_idle_server()
{
	do
	:: take_server();
		if
		:: !other ->
#ifndef BUG_WATCHER_IS_LOST
			atomic { other = watcher; watcher = NOBODY };
#endif
			if
			:: other -> start_server(other)
			:: else
			fi;
			break
		:: else ->
			start_server(other);
			if
			:: !gone -> break
			:: else
			fi
		fi
	od;
	atomic { other = NOBODY; gone = 0 }
}

#ifdef BUG_RING_IS_POPPED_TWICE
#define POP(next)	next = ring; ring = NOBODY
#else
#define POP(next)	atomic { next = ring; ring = NOBODY }
#endif

/* worker::block() with direct_worker::gives_up_server() and direct::put_back(). */
inline block()
{
	atomic {
		assert(RUNS(word[me]));
		LEAVES_USER_MODE;
		word[me] = (word[me] & ~3) | BLOCKED
	};
	if
	:: atomic { !dead[server] -> skip };
		do
		:: POP(next);
			if
			:: atomic {
				/* registry::run_worker() */
				next && (word[next] & 7) == IDLE ->
				next_tid[next] = server;
				word[next] = RUNNING;
				IS_RUN(next);
				next = NOBODY;
				server = NOBODY;
				break
			}
			:: atomic { next && (word[next] & 7) != IDLE -> next = NOBODY }
			:: atomic { !next -> break }
			fi
		od;
		if
		:: server ->
			set = set | BIT(server);
#ifndef BUG_NO_LOOK_AFTER_PUT_BACK
			has_work();
#endif
			atomic {
				if
				:: found && (set & BIT(server)) -> set = set & ~BIT(server)
				:: else -> server = NOBODY
				fi;
				found = 0
			}
		:: else
		fi
	:: atomic { dead[server] -> skip }
	fi;
	if
	:: server -> start_server(server); atomic { server = NOBODY; gone = 0 }
	:: else
	fi;
	/* It may wait for one that is queued. */
	if
	:: true
	:: true -> !QUEUED
	fi
}

#if defined(BUG_WORKER_OVERTAKES)
#define LOOKS_FOR_OTHERS	skip
#else
#define LOOKS_FOR_OTHERS	look()
#endif

/* direct_worker::queue() */
inline queue(preempted)
{
	if
	:: atomic { !preempted && set -> ahead[me] = QUEUED };
		LOOKS_FOR_OTHERS;
		if
		:: found -> found = 0
		:: else -> take_server()
		fi
	:: atomic { preempted || !set -> skip }
	fi;
	if
	:: atomic {
		other ->
		assert(!(ahead[me] & QUEUED));
		next_tid[me] = other;
		word[me] = RUNNING;
		IS_RUN(me);
		other = NOBODY;
		ahead[me] = 0
	};
#if defined(WATCH) && !defined(BUG_WATCHER_IS_PASSED_OVER)
		/* direct::leaves_others_queued() */
		if
		:: watcher -> look()
		:: else
		fi;
		if
		:: found -> found = 0; start_idle_server()
		:: else
		fi
#endif
	:: atomic {
		!other ->
		ahead[me] = 0;
		if
		:: preempted -> assert(!critical[me]); spins[me] = 0; LEAVES_USER_MODE
		:: else
		fi;
		word[me] = (word[me] & ~3) | IDLE
	};
#ifdef FIFO
		found = list != 0;
		found = found || queued;
		if
		:: atomic { !found && !ring -> ring = me }
		:: atomic { found || ring -> list = list | BIT(me); found = 0 }
		fi;
#else
		list = list | BIT(me);
#endif
		if
		:: preempted -> start_server(server)
		:: else
		fi;
		if
		:: !preempted || gone -> start_idle_server()
		:: else
		fi;
		server = NOBODY
	fi
}

#ifdef BUG_CRITICAL_WORD_IS_IGNORED
#define GIVES_WAY	(word[me] & PREEMPTED)
#else
#define GIVES_WAY	((word[me] & PREEMPTED) && !critical[me])
#endif

/* worker::settle() with protocol::resume() */
inline settle()
{
	do
	:: atomic {
		IS(word[me], BLOCKED) || (RUNS(word[me]) && GIVES_WAY) ->
		work[me] = 0;
		gives_way = !IS(word[me], BLOCKED)
	};
		queue(gives_way)
	:: atomic {
		RUNS(word[me]) && !GIVES_WAY ->
		work[me] = 0;
		ENTERS_USER_MODE;
		break
	}
	od
}

/* The program: a server takes a worker, the result is `worker`, or nobody. */
#define FIRST_WORKER(set)	((set) & BIT(3) -> 3 : ((set) & BIT(4) -> 4 :	\
				 ((set) & BIT(5) -> 5 : NOBODY)))
#define TAKE_FIRST	worker = FIRST_WORKER(taken); taken = taken & ~BIT(worker)

inline fill_ring()
{
#ifndef FIFO
	if
	:: atomic { taken && !ring -> ring = FIRST_WORKER(taken); taken = taken & ~BIT(ring) }
	:: atomic { !taken || ring -> skip }
	fi
#else
	skip
#endif
}

inline take_worker()
{
	POP(worker);
	if
	:: worker
	:: else ->
#ifdef FINE
		atomic { !locked -> locked = 1; queued = 1 };
		atomic { taken = taken | list; list = 0; TAKE_FIRST };
		fill_ring();
		atomic { queued = taken != 0; locked = 0 }
#else
		atomic {
			taken = taken | list;
			list = 0;
			TAKE_FIRST;
			fill_ring();
			queued = taken != 0
		}
#endif
	fi
}

/* Whether the server has left, in `dying`. */
inline wait_in_set()
{
	atomic { word[me] = IDLE; set = set | BIT(me) };
	has_work();
	if
	:: atomic { found && (set & BIT(me)) -> set = set & ~BIT(me); word[me] = RUNNING }
	:: atomic { !found || !(set & BIT(me)) -> skip };
end_waits:	if
		:: word[me] == RUNNING
#ifdef DEATH
		/* A signal; if its bit is not there, it has a worker, or is started. */
		:: atomic {
			me == 1 && MAY_ACT && (set & BIT(me)) ->
			ACTS;
			set = set & ~BIT(me);
			word[me] = RUNNING
		}
		:: atomic { me == 1 && MAY_ACT -> ACTS; dying = 1 }
#endif
		fi
	fi;
	found = 0
}

inline run_worker()
{
	/* A server that has left one somewhere, or was started by one that gave way, passes on. */
	look();
	if
	:: found -> found = 0; start_idle_server()
	:: else
	fi;
	atomic {
		(word[worker] & 7) == IDLE ->
		word[me] = IDLE;
		next_tid[worker] = me;
		word[worker] = RUNNING;
		IS_RUN(worker);
		worker = NOBODY
	};
end_runs:
	word[me] == RUNNING
}

/* ctl::detach() with direct::leave(), of a server that exits while it waits. */
inline leave()
{
	atomic { dying = !(set & BIT(me)); set = set & ~BIT(me) };
	dead[me] = 1;
#ifndef BUG_START_DIES_WITH_ITS_SERVER
	if
	:: dying -> has_work();
		if
		:: found -> found = 0; start_idle_server()
		:: else
		fi
	:: else
	fi;
#endif
	word[me] = NONE
}

proctype Server(byte me)
{
	byte worker, other;
	bit found, gone, dying;

	me == 1 || word[1] != RUNNING;
	do
	:: take_worker();
		if
		:: worker -> run_worker()
		:: else -> wait_in_set()
		fi;
		if
		:: dying -> leave(); break
		:: else
		fi
	od
}

/* They begin one after the other, for they are all alike. */
proctype Worker(byte me)
{
	byte server, other, next;
	bit found, gone, gives_way;

	word[me - 1] != BLOCKED;
	do
	:: settle();
		if
		:: work[me]
#ifdef WATCH
		:: atomic { !spins[me] && MAY_ACT -> ACTS; spins[me] = 1 };
			if
			:: critical[me] = 1
			:: true
			fi
		:: atomic { critical[me] -> critical[me] = 0 };
			/* umcg_critical_leave(): it kicks itself if it has been kicked. */
			atomic { work[me] = work[me] || word[me] & PREEMPTED }
		:: atomic { spins[me] && !critical[me] && !QUEUED -> spins[me] = 0 }
#endif
		:: atomic { !spins[me] && MAY_ACT -> ACTS }; block()
		:: atomic { !spins[me] -> LEAVES_USER_MODE; word[me] = NONE };
			start_server(server);
			break
		fi
	od
}

#define KICK(worker)							\
	if								\
	:: spins[worker] ->						\
		word[worker] = word[worker] | PREEMPTED;		\
		work[worker] = 1					\
	:: else								\
	fi

/* A registered task without a number: when it is started, it kicks any worker that spins. */
proctype Watcher(byte me)
{
	bit found;

	do
	:: atomic { word[me] = IDLE; watcher = me };
#ifndef BUG_WATCHER_DOES_NOT_LOOK
		if
		:: atomic { !set -> skip }; look()
		:: atomic { set -> skip }
		fi;
#endif
		if
		:: atomic { found && watcher == me -> watcher = NOBODY; word[me] = RUNNING; found = 0 }
		:: atomic { !found || watcher != me -> found = 0 }
		fi;
end_watches:	atomic { word[me] == RUNNING -> KICK(3); KICK(4); KICK(5) }
	od
}

/* When nothing can happen any more. */
proctype Auditor()
{
end:	timeout ->
	assert(!QUEUED && word[3] == NONE && word[4] == NONE && word[5] == NONE);
	assert((dead[1] || set & BIT(1)) && (dead[2] || set & BIT(2)))
}

init
{
	atomic {
		word[1] = RUNNING;
		word[3] = BLOCKED; word[4] = BLOCKED;
		run Server(1);
#if SERVERS == 1
		dead[2] = 1;
#else
		word[2] = RUNNING;
		run Server(2);
#endif
		run Worker(3); run Worker(4);
#if WORKERS == 3
		word[5] = BLOCKED;
		run Worker(5);
#endif
#ifdef WATCH
		word[WATCHER] = RUNNING;
		run Watcher(WATCHER);
#endif
		run Auditor()
	}
}
