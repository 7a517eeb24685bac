/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The library's half, in the same manner: lib/group.c, lib/server.c and
 * lib/worker.c. What only who has the mutex of the group looks at takes no step
 * of its own; the lock comes with the step behind it, the unlock with the one
 * before.
 */

inline lock_group()
{
	!locked -> locked = 1
}

inline unlock_group()
{
	locked = 0
}

/* append() */
inline append(oldest, newest)
{
	if
	:: first_idle -> link[last_idle] = oldest
	:: else -> first_idle = oldest
	fi;
	last_idle = newest
}

/*
 * drain_kernel_list() with wait_for_link(): the whole list is taken by one
 * exchange, and turned round. A link that is there stays as it is, so it does not
 * matter when it is read; at one that is PENDING an atomic step is interrupted.
 */
inline drain_kernel_list()
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

/* umcg_take_idle_worker() with mark_taken(): the result is `worker`, or none. */
inline umcg_take_idle_worker()
{
	drain_kernel_list();
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

/* forget_waiting(): there are two servers at most. */
inline forget_waiting(server)
{
	if
	:: waiting == server -> waiting = waiting_next
	:: else
	fi;
	waiting_next = NOBODY
}

/* Runs the server that waits in umcg_get_idle_worker(), and that others cannot start. */
inline end_waiting(server)
{
	forget_waiting(server);
	assert(word[server] == (IDLE | POLLS));
	word[server] = RUNNING
}

/*
 * umcg_server_to_start() with unannounce() and announce(), the unlock that
 * follows it, and start(). Says in `is_back` whether it was the caller that was
 * waiting and runs now.
 */
inline umcg_server_to_start()
{
	do
	:: atomic { !waiting -> unlock_group(); break }
	:: atomic {
		waiting ->
		drain_kernel_list();
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

/* umcg_server_polls() */
inline umcg_server_polls()
{
	assert(word[me] == RUNNING);
	word[me] = IDLE | POLLS;
	waiting_next = waiting;
	waiting = me
}

/* umcg_server_is_back() with unannounce(): if it is not, it unlocks. */
inline umcg_server_is_back()
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
 * umcg_get_idle_worker() with next_worker() and wait_for_work(): the result is
 * `worker`. A server that is asleep here when all is over has no work any more.
 */
inline umcg_get_idle_worker()
{
	do
	:: atomic {
		lock_group();
		umcg_take_idle_worker();
		if
		:: worker -> break
		:: else -> umcg_server_polls()
		fi
	};
		umcg_server_to_start();
		do
		:: is_back -> break
		:: !is_back ->
			SLEEP_UNTIL_RUN(end_polls);
			atomic {
				lock_group();
				umcg_server_is_back();
				if
				:: is_back -> unlock_group()
				:: else
				fi
			}
		od;
		is_back = 0
	od;
	umcg_server_to_start()
}

/*
 * umcg_run_worker() with umcg_claim_idle_worker() and umcg_run_under(), until the
 * worker has stopped; and pass_on_preempted(). One that has ended takes its flag
 * with it.
 */
inline umcg_run_worker()
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
		umcg_server_to_start()
	:: atomic { !(word[worker] & PREEMPTED) -> skip }
	fi
}

/* umcg_wake_worker() with umcg_add_idle_worker(), of a worker that waits. */
inline umcg_wake_worker()
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
		umcg_server_to_start()
	:: atomic { !(word[worker] & WAITS) -> worker = NOBODY }
	fi
}

/* umcg_start_own_server(): after that the worker tells the kernel. */
inline umcg_start_own_server()
{
	assert(word[server] == IDLE);
	word[server] = RUNNING
}

/* umcg_worker_wait() with give_way() */
inline umcg_worker_wait()
{
	atomic {
		LEAVES_USER_MODE;
		word[me] = MOVED(word[me], IDLE) | LOCKED | WAITS;
		umcg_start_own_server()
	};
	worker_waits()
}

/* umcg_unregister_task() with part_from_server() */
inline umcg_unregister_task()
{
	atomic {
		LEAVES_USER_MODE;
		word[me] = MOVED(word[me], IDLE) | LOCKED;
		umcg_start_own_server();
		wake(server);
		server = NOBODY;
		word[me] = NONE
	}
}
