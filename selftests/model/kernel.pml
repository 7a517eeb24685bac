/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's half. Each inline is called after the function of the module that
 * it models; `me` is the task that runs it.
 */

/* sys/wake.rs: takes the mark of a sleeper away; nothing if it is awake, or gone. */
inline wake(task)
{
	asleep[task] = 0
}

/* task::start_server(), with protocol::start_server() and the wake. */
inline start_server(server)
{
#ifdef BUG_WAKE_COMES_FIRST
	wake(server);
	if
	:: atomic { IS(word[server], IDLE) -> word[server] = MOVED(word[server], RUNNING) }
	:: atomic { !IS(word[server], IDLE) -> skip }
	fi
#else
	if
	:: atomic {
		IS(word[server], IDLE) ->
		word[server] = MOVED(word[server], RUNNING);
		wake(server)
	}
	:: atomic { !IS(word[server], IDLE) -> skip }
	fi
#endif
}

/*
 * sleep::sleep_until() with protocol::should_idle(): the mark is set, the word is
 * looked at, and schedule() comes back when the mark has been taken away.
 */
#ifndef BUG_SLEEP_WITHOUT_A_LOOK
#define SLEEP_UNTIL_RUN(schedule)						\
	asleep[me] = 1;								\
	do									\
	:: atomic { SHOULD_IDLE(word[me]) -> skip };				\
schedule:	atomic { !asleep[me] -> asleep[me] = 1 }			\
	:: atomic { !SHOULD_IDLE(word[me]) -> asleep[me] = 0; break }		\
	od
#else
#define SLEEP_UNTIL_RUN(schedule)						\
	do									\
	:: atomic { SHOULD_IDLE(word[me]) -> skip };				\
		asleep[me] = 1;							\
schedule:	!asleep[me]							\
	:: atomic { !SHOULD_IDLE(word[me]) -> break }				\
	od
#endif

#ifdef SIGNALS
/*
 * The hold of worker::settle(): an immediate signal ends it as well. The word may
 * say by then that a server runs the worker.
 */
#ifdef BUG_HELD_WORKER_TAKES_NO_SIGNAL
#define TAKES_SIGNAL	false
#else
#define TAKES_SIGNAL	signalled[me]
#endif

inline hold()
{
	asleep[me] = 1;
	do
	:: atomic { TAKES_SIGNAL -> asleep[me] = 0; break }
	:: atomic { !TAKES_SIGNAL && SHOULD_IDLE(word[me]) -> skip };
held:		atomic { !asleep[me] || TAKES_SIGNAL -> asleep[me] = 1 }
	:: atomic { !TAKES_SIGNAL && !SHOULD_IDLE(word[me]) -> asleep[me] = 0; break }
	od;
	if
	:: TAKES_SIGNAL ->
		handle();
#ifdef BUG_HANDLER_RETURNS_UNSEEN
		/* It continues in user mode. */
		assert(RUNS(word[me]))
#endif
	:: else
	fi
}

/*
 * The handler of an immediate signal, in a held worker or in one that runs: first
 * it responds, then it sleeps until it is told to continue. passes_scheduler() checks
 * the word before each sleep; a server that runs the worker wakes it for that.
 */
inline handle()
{
	signalled[me] = 0;
	answered = 1;
	do
	:: atomic { told -> break }
	:: atomic { !told -> asleep[me] = 1 };
#ifndef BUG_SLEEP_IN_HANDLER_IS_UNSEEN
		if
		:: RUNS(word[me]) -> block()
		:: !RUNS(word[me])
		fi;
#endif
		atomic { told || !asleep[me] -> asleep[me] = 0 }
	od
}
#else
#define hold()	SLEEP_UNTIL_RUN(held)
#endif

/*
 * worker::block() with protocol::block(). That the word can be replaced, if need
 * be at the second attempt, follows from what is asserted wherever others change
 * a word: they add PREEMPTED to that of a running worker, and no more.
 */
inline block()
{
	atomic {
		assert(RUNS(word[me]));
		LEAVES_USER_MODE;
		word[me] = MOVED(word[me], BLOCKED)
	};
	start_server(server);
	server = NOBODY
}

/*
 * protocol::push_idle(). The exchange is one step with what comes before it:
 * node and state of a worker on no list are not read by others.
 */
inline push_idle()
{
#ifdef BUG_PUSH_WITHOUT_EXCHANGE
	atomic { become_idle(); link[me] = PENDING; first = head };
	head = me;
#else
	atomic {
		become_idle();
#ifndef BUG_PUSH_WITHOUT_PENDING
		link[me] = PENDING;
#endif
		first = head;
		head = me
	};
#endif
	atomic { link[me] = first; first = NOBODY }
}

/* protocol::become_idle(): a worker that is preempted is to start its own server. */
inline become_idle()
{
	if
	:: IS(word[me], RUNNING) -> LEAVES_USER_MODE
	:: else
	fi;
	assert(link[me] == HEAD);
	work[me] = 0;
	word[me] = MOVED(word[me], IDLE)
}

/*
 * worker::settle() with worker::queue() and protocol::resume(): what the word of a
 * worker says on its return to user mode. A protocol violation kills; here it is an
 * error of the model.
 */
inline settle()
{
	do
	:: IS(word[me], BLOCKED) || (RUNS(word[me]) && (word[me] & PREEMPTED)) ->
		push_idle();
		if
		:: server -> start_server(server)
		:: atomic { !server && slot -> server = slot; slot = NOBODY };
			start_server(server)
		:: atomic { !server && !slot -> skip }
		fi;
		server = NOBODY
	:: SHOULD_IDLE(word[me]) ->
		hold()
	:: atomic {
		RUNS(word[me]) && !(word[me] & PREEMPTED) ->
		work[me] = 0;
		ENTERS_USER_MODE;
		break
	}
	od
}

/* wait::server_waits(): wakes `next`, and waits. */
inline server_waits()
{
	SLEEP_UNTIL_RUN(waits)
}

/* wait::worker_waits() with wait::give_way(): the wait itself is that of settle(). */
inline worker_waits()
{
	word[me] = word[me] & ~LOCKED;
	wake(server);
	server = NOBODY
}

/* task::preempt() with protocol::preempt(), and the work that nudge() queues. */
inline preempt(worker)
{
	atomic {
		RUNS(word[worker]) && !(word[worker] & PREEMPTED) && MAY_ACT ->
		ACTS;
		word[worker] = word[worker] | PREEMPTED
	};
	work[worker] = 1
}
