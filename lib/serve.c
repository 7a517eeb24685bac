// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What servers do in groups in direct mode, and the loop of a server in any group.
 */
#include <errno.h>

#include "internal.h"

/*
 * As umcg_next_worker(). Workers that wake while the server waits run under it. Before it returns
 * to its caller it sees to it that others hear of what it leaves.
 */
struct thread *umcg_direct_next_worker(struct thread *self, bool wait, int woken)
{
	struct thread *worker = NULL;
	int error = 0;

	for (;;) {
		if (wait && take_wakeup(self)) {
			error = woken;
			break;
		}
		worker = umcg_direct_take_worker(self->group);
		if (worker)
			break;
		error = wait ? umcg_direct_poll(self) : EAGAIN;
		if (error)
			break;
	}
	umcg_direct_pass_on(self);
	errno = error;

	return worker;
}

/* As umcg_run_worker(). Others may have run under the server after that worker. */
umcg_tid umcg_direct_run_worker(struct thread *self, struct thread *worker)
{
	struct umcg_group *group = self->group;
	uint32_t tid;

	if (umcg_direct_run(self, worker))
		return UMCG_NONE;
	umcg_direct_pass_on(self);

	tid = atomic_load_explicit(&group->direct.running[self->server_nr], memory_order_relaxed);
	worker = tid ? umcg_find_tid(tid) : NULL;
	errno = 0;

	return kind_of(worker) == WORKER && worker->group == group ? utid_of(worker) : UMCG_NONE;
}

/* Whether the server goes on after a worker: others have swapped to the worker before, perhaps. */
static bool runs_worker(struct thread *self, struct thread *worker)
{
	if (is_direct(self))
		return !umcg_direct_run(self, worker) || errno == EAGAIN;

	/* Without an error it has ended. */
	return umcg_run_worker(utid_of(worker)) != UMCG_NONE || !errno || errno == EAGAIN;
}

int umcg_serve(umcg_t group)
{
	struct thread *self = umcg_own_thread_as(SERVER);
	struct thread *worker;

	if (!self)
		return -1;
	if (self->group != group_of(group)) {
		errno = EINVAL;
		return -1;
	}

	self->is_interrupted = false;
	do {
		worker = umcg_next_worker(self, true, ECANCELED);
		if (!worker)
			return errno == ECANCELED ? 0 : -1;
		if (!runs_worker(self, worker))
			return -1;
	} while (!self->is_interrupted);

	if (is_direct(self))
		umcg_direct_pass_on(self);
	errno = EINTR;
	return -1;
}
