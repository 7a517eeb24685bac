// SPDX-License-Identifier: GPL-2.0
/*
 * Workers in direct mode beside plain threads: tokens that circulate in a ring of
 * pipes, and a worker woken by a plain thread. Each row reports how often threads
 * slept, and fails if that is not as intended: a partner that preempts
 * its waker would never block.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "direct_steps.h"

#define RING		8
#define LAPS		8
#define RING_BATCHES	60
#define RING_WARM_UP	10
#define SERVERS_MAX	2
/* Loops of work between two steps, at most. */
#define WORK		1500

struct ring;

struct member {
	struct umcg_thread thread;
	struct ring *ring;
	unsigned int nr;
	int in, out;
	uint64_t random;
	_Atomic unsigned long hops;
	long switches;
	pthread_t pthread;
};

/* Of threads that are plain, or workers under so many servers. */
struct ring {
	struct direct_group group;
	struct member members[RING];
	struct umcg_thread servers[SERVERS_MAX];
	unsigned int server_count;
	bool batch_policy;
	_Atomic bool stopping;
	struct samples *samples;
	double switches_a_hop;
};

static struct ring *ring;

static void set_policy(bool batch)
{
	const struct sched_param parameters = {};

	if (sched_setscheduler(0, batch ? SCHED_BATCH : SCHED_OTHER, &parameters))
		bench_die_errno("sched_setscheduler", errno);
}

static long own_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static void work(struct member *self)
{
	unsigned long loops;

	self->random = self->random * 6364136223846793005ULL + 1442695040888963407ULL;
	loops = 1 + (self->random >> 33) % WORK;
	loop_of_two_instructions(loops);
}

static unsigned long all_hops(void)
{
	unsigned long hops = 0;

	for (unsigned int i = 0; i < RING; i++)
		hops += atomic_load_explicit(&ring->members[i].hops, memory_order_relaxed);
	return hops;
}

/* The first member takes the time of some laps. */
static void count_lap(struct member *self)
{
	static uint64_t begin, hops_before;
	unsigned long laps = self->hops / LAPS;
	uint64_t end, hops;

	if (self->hops % LAPS)
		return;
	end = laps > RING_WARM_UP ? bench_batch_end() : 0;
	hops = all_hops();
	if (laps > RING_WARM_UP)
		samples_add(ring->samples, (double)(end - begin) / (hops - hops_before));
	if (laps == RING_WARM_UP + RING_BATCHES)
		ring->stopping = true;
	hops_before = hops;
	if (laps >= RING_WARM_UP && !ring->stopping)
		begin = bench_batch_begin();
}

static void pass_tokens(struct member *self)
{
	char token;
	bool last;

	do {
		if (syscall_of_3(SYS_read, self->in, (long)&token, 1) != 1)
			bench_die("a token is lost");
		last = ring->stopping;
		work(self);
		self->hops++;
		if (!self->nr && !last)
			count_lap(self);
		if (syscall_of_3(SYS_write, self->out, (long)&token, 1) != 1)
			bench_die("a token cannot be passed on");
	} while (!last);
}

static void *member_main(void *argument)
{
	struct member *self = argument;
	long before;

	bench_pin();
	set_policy(ring->batch_policy);
	if (ring->server_count)
		direct_worker_register(&self->thread, &ring->group);
	before = own_switches();
	pass_tokens(self);
	self->switches = own_switches() - before;
	if (ring->server_count)
		direct_worker_leave(&self->thread, &ring->group);
	return NULL;
}

static void *server_main(void *argument)
{
	struct umcg_thread *self = argument;
	uint32_t nr = self - ring->servers;

	bench_pin();
	direct_server_register(self, &ring->group, nr);
	direct_serve(self, &ring->group, nr, RING);
	umcg_unregister();
	return NULL;
}

/* A ring of plain threads if there are no servers. */
static void run_ring(unsigned int tokens, unsigned int servers, bool batch, uint32_t flags,
		     struct samples *samples)
{
	pthread_t pthreads[SERVERS_MAX];
	int pipes[RING][2];
	unsigned long hops;
	long switches = 0;

	direct_init(&ring->group, flags);
	ring->server_count = servers;
	ring->batch_policy = batch;
	ring->stopping = false;
	ring->samples = samples;
	for (unsigned int i = 0; i < RING; i++) {
		if (pipe(pipes[i]))
			bench_die_errno("pipe", errno);
	}
	for (unsigned int i = 0; i < servers; i++)
		pthreads[i] = bench_thread(server_main, &ring->servers[i]);
	for (unsigned int i = 0; i < RING; i++) {
		struct member *member = &ring->members[i];

		*member = (struct member){
			.ring = ring, .nr = i, .random = i + 1,
			.in = pipes[i][0], .out = pipes[(i + 1) % RING][1],
		};
		member->pthread = bench_thread(member_main, member);
	}
	for (unsigned int i = 0; i < tokens; i++) {
		if (write(pipes[i * RING / tokens][1], "x", 1) != 1)
			bench_die_errno("write", errno);
	}
	for (unsigned int i = 0; i < RING; i++) {
		pthread_join(ring->members[i].pthread, NULL);
		switches += ring->members[i].switches;
	}
	for (unsigned int i = 0; i < servers; i++)
		pthread_join(pthreads[i], NULL);
	for (unsigned int i = 0; i < RING; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	hops = all_hops();
	ring->switches_a_hop = (double)switches / hops;
}

/* With one token each hop blocks once; with more, threads find tokens that wait for them. */
static void check_switches(const char *row, unsigned int tokens, double least)
{
	printf("# %s: %.2f voluntary switches a hop\n", row, ring->switches_a_hop);
	if (tokens == 1 && ring->switches_a_hop < least)
		bench_die("%s: %.2f switches a hop", row, ring->switches_a_hop);
}

static double measure_ring(const char *kind, unsigned int tokens, unsigned int servers,
			   bool batch, uint32_t flags)
{
	static struct samples samples;
	double median;
	char row[64];

	snprintf(row, sizeof(row), "%s_ring_%u", kind, tokens);
	if (bench_mode == PROFILE && !bench_wants(row))
		return 1;
	run_ring(tokens, servers, batch, flags, &samples);
	check_switches(row, tokens, 0.95);
	median = samples_median(&samples);
	samples_report(&samples, row, LAPS * RING);
	return median;
}

static void report_ratio(const char *key, double value)
{
	struct samples samples = {};

	if (bench_mode == PROFILE)
		return;
	samples_add(&samples, value);
	samples_report_ratio(&samples, key);
	free(samples.values);
}

/* When profiling, a row is asked for, not what is compared. */
static bool wants_ratio(const char *key)
{
	return bench_mode == PROFILE || bench_wants(key);
}

static void measure_rings(void)
{
	static const unsigned int tokens[] = { 1, 2, 4, 6 };
	double plain, direct;
	char key[64];

	for (unsigned int i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		snprintf(key, sizeof(key), "direct_ring_%u_vs_threads", tokens[i]);
		if (!wants_ratio(key))
			continue;
		plain = measure_ring("threads_batch", tokens[i], 0, true, 0);
		direct = measure_ring("direct_batch", tokens[i], 1, true, 0);
		report_ratio(key, direct / plain);
	}
	for (unsigned int i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		snprintf(key, sizeof(key), "direct_ring_%u_normal_vs_threads", tokens[i]);
		if (!wants_ratio(key))
			continue;
		plain = measure_ring("threads", tokens[i], 0, false, 0);
		measure_ring("direct_list", tokens[i], 1, false, 0);
		measure_ring("direct_fifo", tokens[i], 1, false, UMCG_DIRECT_FIFO);
		measure_ring("direct_lend", tokens[i], 1, false, UMCG_DIRECT_LEND);
		direct = measure_ring("direct", tokens[i], 1, false,
				      UMCG_DIRECT_FIFO | UMCG_DIRECT_LEND);
		report_ratio(key, direct / plain);
	}
}

/* A worker that a plain thread wakes, beside a plain thread in its place. */

#define ROUNDS		2048
#define ROUNDS_WARM_UP	64

struct partner {
	struct umcg_thread thread;
	int to[2], from[2];
	bool is_worker;
	/* When it was in user mode again. */
	_Atomic uint64_t back;
	long switches;
	pthread_t pthread;
};

static struct partner *partner;

static void *partner_main(void *argument)
{
	long before;
	char byte;

	(void)argument;
	bench_pin();
	set_policy(true);
	if (partner->is_worker)
		direct_worker_register(&partner->thread, &ring->group);
	before = own_switches();
	for (;;) {
		if (syscall_of_3(SYS_read, partner->to[0], (long)&byte, 1) != 1)
			bench_die("a partner cannot read");
		partner->back = bench_clock();
		if (byte == '.')
			break;
		syscall_of_3(SYS_write, partner->from[1], (long)&byte, 1);
	}
	partner->switches = own_switches() - before;
	if (partner->is_worker)
		direct_worker_leave(&partner->thread, &ring->group);
	return NULL;
}

static void *partner_server_main(void *argument)
{
	struct umcg_thread *self = argument;

	bench_pin();
	direct_server_register(self, &ring->group, 0);
	direct_serve(self, &ring->group, 0, 1);
	umcg_unregister();
	return NULL;
}

/* Medians of the time until the partner is in user mode, and of the way there and back. */
static void measure_partner(const char *kind, bool is_worker, double *wake, double *round_trip)
{
	static struct samples wakes, trips;
	pthread_t server;
	char row[64], byte = 'x';

	direct_init(&ring->group, 0);
	*partner = (struct partner){ .is_worker = is_worker };
	if (pipe(partner->to) || pipe(partner->from))
		bench_die_errno("pipe", errno);
	if (is_worker)
		server = bench_thread(partner_server_main, &ring->servers[0]);
	partner->pthread = bench_thread(partner_main, NULL);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t begin = bench_clock();

		syscall_of_3(SYS_write, partner->to[1], (long)&byte, 1);
		syscall_of_3(SYS_read, partner->from[0], (long)&byte, 1);
		if (i >= ROUNDS_WARM_UP) {
			samples_add(&wakes, partner->back - begin);
			samples_add(&trips, bench_clock() - begin);
		}
	}
	syscall_of_3(SYS_write, partner->to[1], (long)".", 1);
	pthread_join(partner->pthread, NULL);
	if (is_worker)
		pthread_join(server, NULL);
	printf("# %s: %.2f voluntary switches a round\n", kind, (double)partner->switches / ROUNDS);
	if (partner->switches < ROUNDS * 0.95)
		bench_die("%s: the partner did not block each time", kind);
	for (int i = 0; i < 2; i++) {
		close(partner->to[i]);
		close(partner->from[i]);
	}
	*wake = samples_median(&wakes);
	*round_trip = samples_median(&trips);
	snprintf(row, sizeof(row), "%s_wake_to_running", kind);
	samples_report(&wakes, row, 1);
	snprintf(row, sizeof(row), "%s_round_trip", kind);
	samples_report(&trips, row, 1);
}

static void measure_wakes(void)
{
	double plain_wake, plain_trip, wake, trip;

	if (bench_mode == PROFILE || !bench_wants("direct_wake_to_running_vs_threads"))
		return;
	partner = aligned_alloc(64, (sizeof(*partner) + 63) / 64 * 64);
	if (!partner)
		bench_die("no memory");
	measure_partner("threads", false, &plain_wake, &plain_trip);
	measure_partner("direct", true, &wake, &trip);
	report_ratio("direct_wake_to_running_vs_threads", wake / plain_wake);
	report_ratio("direct_round_trip_vs_threads", trip / plain_trip);
	report_ratio("direct_block_and_wake_instr", trip - plain_trip);
}

/* What umcg_critical_enter() and umcg_critical_leave() are, of a worker that is not kicked. */
static void critical_section(void *argument)
{
	struct umcg_thread *self = argument;

	self->task.critical++;
	__asm__ volatile("" : : : "memory");
	self->task.critical--;
	__asm__ volatile("" : : : "memory");
	if (*(volatile uint8_t *)&self->task.state_ts & PREEMPTED)
		bench_die("cannot kick");
}

static void no_section(void *argument)
{
	(void)argument;
	__asm__ volatile("" : : : "memory");
}

static void measure_section(void)
{
	static struct umcg_thread thread;

	bench_operation("critical_section", critical_section, &thread);
	bench_operation("no_section", no_section, &thread);
}

/* Two CPUs and two servers, by time. Kinds take turns. */

static void measure_rings_by_time(void)
{
	static const unsigned int tokens[] = { 1, 2, 4, 6 };
	double worst = 0;

	if (!bench_wants("direct_ring_two_cpus_vs_threads"))
		return;
	for (unsigned int i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		static struct samples ratios;
		double median;
		char row[64];

		for (unsigned int round = 0; round < TIME_ROUNDS; round++) {
			static struct samples plain, direct;

			run_ring(tokens[i], 0, false, 0, &plain);
			run_ring(tokens[i], 2, false, UMCG_DIRECT_FIFO | UMCG_DIRECT_LEND,
				 &direct);
			samples_add(&ratios, samples_median(&direct) / samples_median(&plain));
			plain.count = 0;
			direct.count = 0;
		}
		printf("# two_cpus_ring_%u: %.2f voluntary switches a hop\n", tokens[i],
		       ring->switches_a_hop);
		median = samples_median(&ratios);
		if (median > worst)
			worst = median;
		snprintf(row, sizeof(row), "direct_ring_%u_two_cpus", tokens[i]);
		samples_report_ratio(&ratios, row);
	}
	report_ratio("direct_ring_two_cpus_vs_threads", worst);
}

int main(int argc, char *argv[])
{
	bench_begin(argc, argv);
	ring = aligned_alloc(4096, (sizeof(*ring) + 4095) / 4096 * 4096);
	if (!ring)
		bench_die("no memory");
	bench_pin();
	umcg_open();
	if (bench_mode == TIME) {
		measure_rings_by_time();
		return 0;
	}
	measure_section();
	measure_wakes();
	measure_rings();
	return 0;
}
