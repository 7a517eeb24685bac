/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The library's half, in the same manner: lib/c/src. Each inline is named after
 * the function that its comment names first; the Makefile checks that there is
 * one. State that is accessed only under the mutex of the group takes no step of
 * its own; the lock comes with the step behind it, the unlock with the one before.
 */

inline lock_group()
{
	!locked -> locked = 1
}

inline unlock_group()
{
	locked = 0
}

/* idle::append() */
inline append(oldest, newest)
{
	if
	:: first_idle -> link[last_idle] = oldest
	:: else -> first_idle = oldest
	fi;
	last_idle = newest
}

/*
 * idle::drain(): the whole list is taken by one
 * exchange, and turned round. A link that is there stays as it is, so it does not
 * matter when it is read; at one that is PENDING an atomic step is interrupted.
 */
inline drain()
{
	node = head;
	head = NOBODY;
	do
	:: node ->
		link[node] != PENDING;
		assert(link[node] != HEAD);
		next = link[node];
		link[node] = first;
		first = node;
		if
		:: !last -> last = node
		:: else
		fi;
		node = next
	:: else -> break
	od;
	if
	:: first -> append(first, last)
	:: else
	fi;
	next = NOBODY;
	first = NOBODY;
	last = NOBODY
}

/* idle::take_idle() with idle::mark_taken(): the result is `worker`, or none. */
inline take_idle()
{
	drain();
	if
	:: first_idle ->
		worker = first_idle;
		if
		:: worker == last_idle -> first_idle = NOBODY; last_idle = NOBODY
		:: else -> first_idle = link[worker]
		fi;
		link[worker] = HEAD;
		word[worker] = (word[worker] & ~QUEUED) | TAKEN
	:: else
	fi
}

/* polling::forget_waiting(): there are two servers at most. */
inline forget_waiting(server)
{
	if
	:: waiting == server -> waiting = waiting_next
	:: else
	fi;
	waiting_next = NOBODY
}

/* Runs the server that waits in next_worker(), and that others cannot start. */
inline end_waiting(server)
{
	forget_waiting(server);
	assert(word[server] == (IDLE | POLLS));
	word[server] = RUNNING
}

/*
 * polling::server_to_start() with polling::unannounce() and record::announce(),
 * the unlock that follows it, and switch::wake_started(). Sets `is_back` if the
 * caller was the waiting server, and runs now.
 */
inline server_to_start()
{
	do
	:: atomic { !waiting -> unlock_group(); break }
	:: atomic {
		waiting ->
		drain();
		if
		:: !first_idle && announced -> unlock_group(); break
		:: else
		fi
	};
		if
		:: atomic {
			first_idle ->
			other = (announced -> announced : waiting);
			if
			:: announced && slot != announced ->
				/* The kernel is starting it. */
				other = NOBODY
			:: else ->
				if
				:: announced -> slot = NOBODY; announced = NOBODY
				:: else
				fi;
				end_waiting(other)
			fi;
			if
			:: other == me -> is_back = 1
			:: else -> wake(other)
			fi;
			other = NOBODY;
			unlock_group();
			break
		}
		:: atomic { !first_idle -> announced = waiting; slot = waiting };
#ifdef BUG_ANNOUNCE_WITHOUT_A_LOOK
			atomic { unlock_group(); break }
#endif
		fi
	od
}

/* polling::begin() */
inline polling_begin()
{
	assert(word[me] == RUNNING);
	word[me] = IDLE | POLLS;
	waiting_next = waiting;
	waiting = me
}

/* polling::is_back() with polling::unannounce(): if it is not, it unlocks. */
inline polling_is_back()
{
	if
	:: word[me] == RUNNING -> is_back = 1
	:: word[me] == (RUNNING | POLLS) ->
		announced = NOBODY;
		forget_waiting(me);
		word[me] = RUNNING;
		is_back = 1
	:: word[me] == (IDLE | POLLS) ->
		if
		:: announced != me -> end_waiting(me); is_back = 1
		:: announced == me && slot == me ->
			announced = NOBODY;
			slot = NOBODY;
			end_waiting(me);
			is_back = 1
		/* The kernel is starting it. */
		:: else -> unlock_group()
		fi
	fi
}

/*
 * server::next_worker() with server::wait_for_work(): the result is
 * `worker`. A server that is asleep here when all is over has no work any more.
 */
inline next_worker()
{
	do
	:: atomic {
		lock_group();
		take_idle();
		if
		:: worker -> break
		:: else -> polling_begin()
		fi
	};
		server_to_start();
		do
		:: is_back -> break
		:: !is_back ->
			SLEEP_UNTIL_RUN(end_polls);
			atomic {
				lock_group();
				polling_is_back();
				if
				:: is_back -> unlock_group()
				:: else
				fi
			}
		od;
		is_back = 0
	od;
	server_to_start()
}

/*
 * server::run_worker() with switch::claim_idle() and switch::run_under(), until the
 * worker has stopped; and server::pass_on_preempted(). One that has ended takes its flag
 * with it.
 */
inline run_worker()
{
	atomic {
		assert(word[me] == RUNNING);
		word[me] = IDLE;
		!(word[worker] & LOCKED);
		assert(IS(word[worker], IDLE) && (word[worker] & (TAKEN | WAITS)));
		word[worker] = RUNNING | LOCKED;
		next_tid[worker] = me
	};
	atomic {
		assert(word[worker] == (RUNNING | LOCKED));
		word[worker] = RUNNING;
		wake(worker)
	};
	server_waits();
	if
	:: atomic { word[worker] & PREEMPTED -> lock_group() };
		server_to_start()
	:: atomic { !(word[worker] & PREEMPTED) -> skip }
	fi
}

/* worker::wake() with worker::add_idle(), of a worker that waits. */
inline worker_wake()
{
	if
	:: atomic {
		word[worker] & WAITS ->
		assert(IS(word[worker], IDLE));
		word[worker] = (word[worker] & ~WAITS) | QUEUED
	};
		atomic {
			lock_group();
			link[worker] = NOBODY;
			append(worker, worker);
			worker = NOBODY
		};
		server_to_start()
	:: atomic { !(word[worker] & WAITS) -> worker = NOBODY }
	fi
}

/* worker::start_own_server(): after that the worker tells the kernel. */
inline start_own_server()
{
	assert(word[server] == IDLE);
	word[server] = RUNNING
}

/* worker::wait() with worker::give_way() */
inline worker_wait()
{
	atomic {
		LEAVES_USER_MODE;
		word[me] = MOVED(word[me], IDLE) | LOCKED | WAITS;
		start_own_server()
	};
	worker_waits()
}

/* register::unregister() with register::part_from_server() */
inline unregister()
{
	atomic {
		LEAVES_USER_MODE;
		word[me] = MOVED(word[me], IDLE) | LOCKED;
		start_own_server();
		wake(server);
		server = NOBODY;
		word[me] = NONE
	}
}
