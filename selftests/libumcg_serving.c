// SPDX-License-Identifier: GPL-2.0
/*
 * A group of libumcg with a server that calls umcg_serve(), and workers with a pipe each.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "libumcg_serving.h"

struct serving serving;
struct member members[MEMBERS];
int pipes[MEMBERS][2];

static void *serve(void *arg)
{
	struct serving *self = arg;

	self->tid = gettid();
	self->task = umcg_register_server(group, 0);
	MUST(self->task != UMCG_NONE);
	while (!self->ends) {
		self->result = umcg_serve(group);
		self->error = errno;
		self->returns++;
		while (self->stays)
			usleep(100);
	}
	MUST(!umcg_unregister_task());

	return NULL;
}

bool serves(struct serving *server)
{
	return server->task != UMCG_NONE && state_of(server->task) == UMCG_TASK_IDLE;
}

static void start_serving(void)
{
	serving = (struct serving){ };
	MUST(!pthread_create(&serving.thread, NULL, serve, &serving));
	MUST(SOON(serves(&serving)));
}

void begin_group(uint32_t flags)
{
	MUST(umcg_register_basic_task(0) != UMCG_NONE);
	group = umcg_create_group(flags);
	MUST(group != UMCG_NONE);
	start_serving();
	for (int i = 0; i < MEMBERS; i++)
		MUST(!pipe(pipes[i]));
}

static void stop_serving(void)
{
	serving.ends = true;
	MUST(!umcg_wake(serving.task, false));
	MUST(!pthread_join(serving.thread, NULL));
}

void end_group(void)
{
	for (int i = 0; i < MEMBERS; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	stop_serving();
	MUST(!umcg_destroy_group(group));
	MUST(!umcg_unregister_task());
}

long sleeps_of(pid_t tid)
{
	char path[64], line[128];
	long sleeps = -1;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	status = fopen(path, "re");
	MUST(status);
	while (fgets(line, sizeof(line), status))
		sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps);
	fclose(status);
	MUST(sleeps >= 0);

	return sleeps;
}

void start_member(int i, void (*body)(struct member *self))
{
	members[i] = (struct member){ .body = body };
	start_worker(&members[i]);
}

bool blocks(struct member *worker)
{
	return worker->tid != UMCG_NONE && state_of(worker->tid) == UMCG_TASK_BLOCKED;
}

bool waits(struct member *worker)
{
	return umcg_get_task_state(worker->tid) & UMCG_UTF_WORKER_IN_WAIT;
}

void read_until_dot(struct member *self)
{
	char byte = 0;

	while (byte != '.') {
		MUST(read(pipes[self - members][0], &byte, 1) == 1);
		self->done++;
	}
}

bool send_byte(int i, char byte)
{
	return write(pipes[i][1], &byte, 1) == 1;
}

void relay(struct member *self)
{
	const int i = self - members;
	char byte;

	do {
		MUST(read(pipes[i][0], &byte, 1) == 1);
		self->done++;
		MUST(send_byte((i + 1) % MEMBERS, byte));
	} while (self->done < ROUNDS);
}

void spin_until_step(struct member *self)
{
	while (self->step == 0)
		self->done++;
}
