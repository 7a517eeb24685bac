/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wake-ups that come while a task does not wait, for the model checker SPIN: lib/c/src/wait.rs and
 * lib/c/src/worker.rs. Two tasks swap with each other without synchronisation, and a third one wakes the
 * first meanwhile, at most SWAPS and WAKES times. Each ends as many waits as there are wake-ups by
 * the others, so no task is left asleep, and no wake-up is left over: every wake-up ends one wait.
 *
 * Without WORKERS the two are basic tasks. With it they are workers of one server, which may take
 * a worker off the list and keep it while it runs another one. Waits may time out at any moment
 * (TIMEOUTS, in all); then they are repeated.
 *
 * Steps are as in umcg.pml. Not modelled, besides what is said there: how servers wait for workers,
 * which umcg.pml goes through. Here a worker that is QUEUED is on the list.
 */

/* Tasks: 1 and 2 swap, 3 wakes. With WORKERS 4 is the server. */
#define NOBODY	0
#define WAKER	3
#define SERVER	4
#define TASKS	5

#define NONE	0
#define RUNNING	1
#define IDLE	2
#define BLOCKED	3
#define LOCKED	4
#define PREEMPTED	8
#define TAKEN	16
#define WAITS	32
#define QUEUED	64

#define IS(word, state)		(((word) & 3) == (state))
#define MOVED(word, state)	(((word) & ~3) | (state))
#define SHOULD_IDLE(word)	(((word) & 7) == IDLE || ((word) & 7) == (RUNNING | LOCKED))

byte word[TASKS];
byte wakeups[TASKS];
bit asleep[TASKS];
bit has_run[TASKS];
byte timeouts = TIMEOUTS;
/* The worker that runs under the server, and a task that has done all its swaps and waits. */
byte running;
byte finished;

/* sys/wake.rs */
inline wake(task)
{
	asleep[task] = 0
}

/* sleep_until() of sys/sleep.rs: the mark is set, then the word is checked. */
inline sleep_until_run()
{
	asleep[me] = 1;
	do
	:: atomic { SHOULD_IDLE(word[me]) -> skip };
		atomic { !asleep[me] -> asleep[me] = 1 }
	:: atomic { !SHOULD_IDLE(word[me]) -> asleep[me] = 0; break }
	od
}

inline give_wakeup(task)
{
#ifdef BUG_WAKE_UPS_MERGE
	wakeups[task] = 1
#else
	wakeups[task]++
#endif
}

/* A wake-up that was taken, by a task that was woken twice. */
inline give_back(task)
{
#ifdef BUG_TWO_WAKE_UPS_END_ONE_WAIT
	skip
#else
	give_wakeup(task)
#endif
}

/* To a worker that is swapped to, and does not wait. */
inline give_to_taken(task)
{
#ifdef BUG_NOTHING_FOR_THE_TAKEN
	skip
#else
	give_wakeup(task)
#endif
}

/* take_wakeup(): a step to look, for most often there is none, and one to take. */
inline take_wakeup(task)
{
	if
	:: atomic { wakeups[task] > 0 -> wakeups[task]--; taken = 1 }
	:: atomic { wakeups[task] == 0 -> taken = 0 }
	fi
}

#ifdef BUG_WAKE_UP_WITHOUT_A_LOOK
#define NO_LOOK	true
#else
#define NO_LOOK	false
#endif

/* let_run() of wait.c: says in `runs_next` whether the task waited. */
inline let_run(task)
{
	do
	:: atomic { word[task] == (IDLE | WAITS) -> word[task] = RUNNING; runs_next = 1; break }
	:: word[task] != (IDLE | WAITS) ->
		give_wakeup(task);
		if
		:: word[task] != (IDLE | WAITS) || NO_LOOK -> break
		:: word[task] == (IDLE | WAITS) && !NO_LOOK ->
			take_wakeup(task);
			if
			:: atomic { taken -> taken = 0 }
			:: !taken -> break
			fi
		fi
	od
}

/* wake_task() */
inline wake_task(task)
{
	let_run(task);
	if
	:: atomic { runs_next -> runs_next = 0; wake(task) }
	:: !runs_next
	fi
}

/* The same with a deadline, which may come as long as there are timeouts. */
inline sleep_or_time_out()
{
	asleep[me] = 1;
	do
	:: atomic { SHOULD_IDLE(word[me]) -> skip };
		if
		:: atomic { !asleep[me] -> asleep[me] = 1 }
		:: atomic { timeouts > 0 && SHOULD_IDLE(word[me]) ->
			timeouts--; asleep[me] = 0; is_late = 1; break }
		fi
	:: atomic { !SHOULD_IDLE(word[me]) -> asleep[me] = 0; break }
	od
}

/* wait::task_wait(): without @next this is umcg_wait(). Says in `is_late` whether it has to be repeated. */
inline task_wait(next)
{
	is_late = 0;
	word[me] = IDLE | WAITS;
	if
	:: next != NOBODY -> let_run(next)
	:: else
	fi;
	take_wakeup(me);
	if
	:: atomic { taken -> taken = 0 };
		if
		:: atomic { word[me] == (IDLE | WAITS) -> word[me] = RUNNING }
		:: word[me] == RUNNING ->
			give_back(me)
		fi;
		if
		:: atomic { runs_next -> runs_next = 0; wake(next) }
		:: !runs_next
		fi
	:: !taken ->
		if
		:: atomic { runs_next -> runs_next = 0; wake(next) }
		:: !runs_next
		fi;
		sleep_or_time_out();
		if
		:: !is_late
		:: atomic { is_late && word[me] == (IDLE | WAITS) -> word[me] = RUNNING }
		/* It was woken when its timeout was about to expire. */
		:: atomic { is_late && word[me] == RUNNING -> is_late = 0 }
		fi
	fi
}

/* queue_waiting_worker() of a worker in one of these states: on the list by that. */
#define QUEUES(task)								\
	(word[task] & WAITS) -> word[task] = (word[task] & ~WAITS) | QUEUED

#ifdef BUG_NOTHING_FOR_THE_QUEUED
#define SKIPS(task)	(word[task] & QUEUED)
#else
#define SKIPS(task)	false
#endif

/* worker::wake() */
inline worker_wake(task)
{
	do
	:: atomic { QUEUES(task); break }
	:: SKIPS(task) -> break
	:: !(word[task] & WAITS) && !SKIPS(task) ->
		give_wakeup(task);
		if
		:: !(word[task] & WAITS) || NO_LOOK -> break
		:: (word[task] & WAITS) && !NO_LOOK ->
			take_wakeup(task);
			if
			:: atomic { taken -> taken = 0 }
			:: !taken -> break
			fi
		fi
	od
}

/* The worker runs from now on: switch::run_under(), and the wake of the caller's call. */
inline run_under(worker)
{
	atomic {
		assert(word[worker] == (RUNNING | LOCKED));
		running = worker;
		has_run[worker] = 1;
		word[worker] = RUNNING;
		wake(worker)
	}
}

/* worker::start_own_server() */
inline start_own_server()
{
	atomic {
		assert(word[SERVER] == IDLE && running == me);
		word[SERVER] = RUNNING
	}
}

/* worker::times_out(): it is locked, and puts itself on the list unless it was woken. */
inline times_out()
{
	if
	:: atomic { QUEUES(me) }
	:: atomic { !(word[me] & WAITS) -> is_late = 0 }
	fi;
	word[me] = word[me] & ~LOCKED;
	sleep_until_run()
}

/*
 * worker::give_way(): the kernel unlocks the worker, and @next runs. When its timeout expires before it is
 * claimed, the kernel locks it.
 */
inline give_way(next)
{
	atomic { word[me] = word[me] & ~LOCKED; wake(next) };
	sleep_or_time_out();
	if
	:: !is_late
	:: atomic { is_late && IS(word[me], RUNNING) -> is_late = 0 };
		sleep_until_run()
	:: atomic { is_late && IS(word[me], IDLE) -> word[me] = word[me] | LOCKED };
		times_out()
	fi;
	assert(word[me] == RUNNING && running == me)
}

/* worker::wait() */
inline worker_wait()
{
	is_late = 0;
	take_wakeup(me);
	if
	:: atomic { taken -> taken = 0 }
	:: !taken ->
		word[me] = IDLE | LOCKED | WAITS;
		take_wakeup(me);
		if
		:: atomic { taken && word[me] == (IDLE | LOCKED | WAITS) ->
			word[me] = RUNNING; taken = 0 }
		:: taken && word[me] != (IDLE | LOCKED | WAITS) ->
			give_back(me);
			taken = 0;
			start_own_server();
			give_way(SERVER)
		:: !taken ->
			start_own_server();
			give_way(SERVER)
		fi
	fi
}

/* worker::swap() with worker::claim_next() */
inline worker_swap(next)
{
	word[me] = IDLE | LOCKED;
	is_late = 0;
	if
	:: atomic { word[next] == (IDLE | WAITS) -> word[next] = RUNNING | LOCKED; claimed = 1 }
	:: word[next] != (IDLE | WAITS) ->
		if
		:: atomic { (word[next] & TAKEN) && !(word[next] & LOCKED) ->
			assert(has_run[next]);
			word[next] = RUNNING | LOCKED;
			claimed = 1 };
			give_to_taken(next)
		:: !(word[next] & TAKEN)
		fi
	fi;
	if
	:: atomic { claimed -> claimed = 0 };
		word[me] = IDLE | LOCKED | WAITS;
		take_wakeup(me);
		if
		:: atomic { taken && (word[me] & WAITS) ->
			word[me] = (word[me] & ~WAITS) | QUEUED; taken = 0 }
		:: taken && !(word[me] & WAITS) ->
			give_back(me);
			taken = 0
		:: !taken
		fi;
		run_under(next);
		give_way(NOBODY)
	:: !claimed ->
		worker_wake(next);
		word[me] = RUNNING;
		worker_wait()
	fi
}

/* idle::mark_taken() of a worker on the list */
inline mark_taken(worker)
{
	atomic {
		word[worker] & QUEUED ->
		word[worker] = (word[worker] & ~QUEUED) | TAKEN
	}
}

/* server::run_worker() with switch::claim_idle() */
inline run_worker(worker)
{
	word[me] = IDLE;
	if
	:: atomic { (word[worker] & TAKEN) && !(word[worker] & LOCKED) ->
		word[worker] = RUNNING | LOCKED };
		run_under(worker);
		sleep_until_run()
	/* Another worker has swapped to it. */
	:: atomic { !(word[worker] & TAKEN) -> word[me] = RUNNING }
	fi
}

#ifdef WORKERS
#define swap(task)	worker_swap(task)
#define wait()		worker_wait()
#define wake_up(task)	worker_wake(task)
#else
#define swap(task)	task_wait(task)
#define wait()		task_wait(NOBODY)
#define wake_up(task)	wake_task(task)
#endif

proctype Swapper(byte me; byte partner; byte waits)
{
	byte swaps = SWAPS;
	bit taken, runs_next, is_late, claimed;

#ifdef WORKERS
	sleep_until_run();
#endif
	do
	:: swaps > 0 ->
		swaps--;
		swap(partner);
		do
		:: is_late -> wait()
		:: !is_late -> break
		od
	:: waits > 0 ->
		waits--;
		wait();
		do
		:: is_late -> wait()
		:: !is_late -> break
		od
	:: swaps == 0 && waits == 0 -> break
	od;
#ifdef WORKERS
	/* register::part_from_server() */
	word[me] = IDLE | LOCKED;
	atomic { start_own_server(); running = NOBODY };
	atomic { wake(SERVER); word[me] = NONE; finished++ }
#else
	finished++
#endif
}

proctype Waker()
{
	byte wakes = WAKES;
	bit taken, runs_next;

	do
	:: wakes > 0 -> wakes--; wake_up(1)
	:: wakes == 0 -> break
	od;
	finished++
}

/* It may keep one that has been run before while it runs the other one. */
proctype Server(byte me)
{
	do
	:: mark_taken(1);
		run_worker(1)
	:: mark_taken(2);
		run_worker(2)
	:: atomic { has_run[1] && (word[1] & word[2] & QUEUED) -> mark_taken(1); mark_taken(2) };
		run_worker(2);
		run_worker(1)
	:: atomic { has_run[2] && (word[1] & word[2] & QUEUED) -> mark_taken(1); mark_taken(2) };
		run_worker(1);
		run_worker(2)
	:: atomic { finished == 3 -> break }
	od
}

init
{
	atomic {
		word[WAKER] = RUNNING;
#ifdef WORKERS
		word[1] = IDLE | QUEUED; word[2] = IDLE | QUEUED; word[SERVER] = RUNNING;
		run Server(SERVER);
#else
		word[1] = RUNNING; word[2] = RUNNING;
#endif
		run Swapper(1, 2, WAKES); run Swapper(2, 1, 0);
		run Waker()
	};
	finished == 3;
	assert(wakeups[1] == 0 && wakeups[2] == 0)
}
