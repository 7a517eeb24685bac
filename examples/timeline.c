// SPDX-License-Identifier: GPL-2.0
/*
 * The timeline as a picture: a row a thread, a segment a state.
 *
 * The colours are told apart with any kind of colour vision, and the height of
 * a segment says the same: RUNNING is tall, IDLE is half as tall, BLOCKED is a
 * line. The picture follows the reader's choice of a light or dark page.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "demo.h"

enum {
	LABEL_WIDTH = 150,
	PLOT_WIDTH = 1400,
	MARGIN = 20,
	HEADER_HEIGHT = 92,
	ROW_HEIGHT = 28,
	GAP_HEIGHT = 14,
	AXIS_HEIGHT = 44,
	ROWS = SERVERS + WORKERS,
	WIDTH = MARGIN + LABEL_WIDTH + PLOT_WIDTH + MARGIN,
	PLOT_TOP = HEADER_HEIGHT,
	PLOT_BOTTOM = PLOT_TOP + ROWS * ROW_HEIGHT + GAP_HEIGHT,
	HEIGHT = PLOT_BOTTOM + AXIS_HEIGHT,
};

static const char style[] =
	"text{font:13px system-ui,sans-serif;fill:#222}\n"
	".title{font-size:20px;font-weight:600}\n"
	".quiet{fill:#666}\n"
	".end{text-anchor:end}\n"
	".middle{text-anchor:middle}\n"
	".page{fill:#fff}\n"
	".row{fill:#f4f4f4}\n"
	".grid{stroke:#d8d8d8;stroke-width:1}\n"
	".s0{fill:#0072b2}\n"
	".s1{fill:#009e73}\n"
	".blocked{fill:#e69f00}\n"
	".idle{fill:#cc79a7}\n"
	".waiting{fill:#aaa}\n"
	".s0:hover,.s1:hover,.blocked:hover,.idle:hover,.waiting:hover{stroke:#222}\n"
	"@media(prefers-color-scheme:dark){\n"
	"text{fill:#e8e8e8}.quiet{fill:#a8a8a8}.page{fill:#16181c}.row{fill:#1f2228}\n"
	".grid{stroke:#3a3e46}.s0{fill:#56a8e0}.s1{fill:#2cc79a}.waiting{fill:#666c76}\n"
	".s0:hover,.s1:hover,.blocked:hover,.idle:hover,.waiting:hover{stroke:#fff}}\n";

struct plot {
	FILE *file;
	uint64_t start;
	uint64_t end;
};

/* A stretch of time in a row. */
struct segment {
	int row;
	uint64_t from;
	uint64_t to;
	const char *class;
	int height;
};

static double x_of(const struct plot *plot, uint64_t ns)
{
	double part = (double)(ns - plot->start) / (plot->end - plot->start);

	return MARGIN + LABEL_WIDTH + part * PLOT_WIDTH;
}

static double ms(const struct plot *plot, uint64_t ns)
{
	return (ns - plot->start) / 1e6;
}

static int middle_of_row(int row)
{
	int gap = row >= SERVERS ? GAP_HEIGHT : 0;

	return PLOT_TOP + row * ROW_HEIGHT + gap + ROW_HEIGHT / 2;
}

/* Opens a segment with its times as tooltip; the caller says what it is, and closes it. */
static void begin_segment(const struct plot *plot, const struct segment *segment)
{
	double x = x_of(plot, segment->from);
	double width = x_of(plot, segment->to) - x;

	fprintf(plot->file,
		"<rect class=\"%s\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\"><title>",
		segment->class, x, middle_of_row(segment->row) - segment->height / 2,
		width < 0.4 ? 0.4 : width, segment->height);
}

static void end_segment(const struct plot *plot, const struct segment *segment)
{
	fprintf(plot->file, "\n%.3f ms to %.3f ms: %.3f ms</title></rect>\n",
		ms(plot, segment->from), ms(plot, segment->to),
		(segment->to - segment->from) / 1e6);
}

static const char *server_class(int server)
{
	return server == 0 ? "s0" : "s1";
}

static void draw_worker_segment(const struct plot *plot, const struct event *event, uint64_t to)
{
	struct segment segment = { .row = SERVERS + event->worker, .from = event->ns, .to = to };

	switch (event->state) {
	case UMCG_TASK_RUNNING:
		segment.class = server_class(event->server);
		segment.height = 20;
		begin_segment(plot, &segment);
		fprintf(plot->file, "worker %d: RUNNING under server %d", event->worker,
			event->server);
		break;
	case UMCG_TASK_BLOCKED:
		segment.class = "blocked";
		segment.height = 4;
		begin_segment(plot, &segment);
		fprintf(plot->file, "worker %d: BLOCKED in %s", event->worker,
			kind_calls[event->kind]);
		break;
	case UMCG_TASK_IDLE:
		segment.class = "idle";
		segment.height = 10;
		begin_segment(plot, &segment);
		fprintf(plot->file, "worker %d: IDLE, wants to run", event->worker);
		break;
	default:
		return;
	}
	end_segment(plot, &segment);
}

static void draw_worker(const struct plot *plot, const struct events *events, int worker)
{
	const struct event *last = NULL;

	for (size_t i = 0; i < events->count; i++) {
		const struct event *event = &events->first[i];

		if (event->worker != worker)
			continue;
		if (last)
			draw_worker_segment(plot, last, event->ns);
		last = event;
	}
}

static void draw_server_segment(const struct plot *plot, int server, uint64_t from, uint64_t to,
				int worker)
{
	struct segment segment = {
		.row = server,
		.from = from,
		.to = to,
		.class = worker < 0 ? "waiting" : server_class(server),
		.height = worker < 0 ? 4 : 20,
	};

	begin_segment(plot, &segment);
	if (worker < 0)
		fprintf(plot->file, "server %d: without a worker", server);
	else
		fprintf(plot->file, "server %d: runs worker %d", server, worker);
	end_segment(plot, &segment);
}

/* Draws the row of a server. Returns for how long it ran workers. */
static uint64_t draw_server(const struct plot *plot, const struct events *events, int server)
{
	uint64_t since = plot->start;
	uint64_t busy = 0;

	for (size_t i = 0; i < events->count; i++) {
		const struct event *event = &events->first[i];

		if (event->server != server || event->state == UMCG_TASK_IDLE)
			continue;
		if (event->state == UMCG_TASK_RUNNING) {
			draw_server_segment(plot, server, since, event->ns, -1);
		} else {
			draw_server_segment(plot, server, since, event->ns, event->worker);
			busy += event->ns - since;
		}
		since = event->ns;
	}
	draw_server_segment(plot, server, since, plot->end, -1);

	return busy;
}

static void draw_rows(const struct plot *plot, const struct worker *workers)
{
	for (int row = 0; row < ROWS; row++) {
		int middle = middle_of_row(row);

		fprintf(plot->file,
			"<rect class=\"row\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
			MARGIN + LABEL_WIDTH, middle - ROW_HEIGHT / 2 + 2, PLOT_WIDTH,
			ROW_HEIGHT - 4);
		if (row < SERVERS)
			fprintf(plot->file, "<text x=\"%d\" y=\"%d\">server %d</text>\n", MARGIN,
				middle + 4, row);
		else
			fprintf(plot->file,
				"<text x=\"%d\" y=\"%d\">worker %d</text>"
				"<text class=\"quiet end\" x=\"%d\" y=\"%d\">%s</text>\n",
				MARGIN, middle + 4, row - SERVERS, MARGIN + LABEL_WIDTH - 8,
				middle + 4, kind_names[workers[row - SERVERS].kind]);
	}
}

/* The shortest of 1, 2, 5, 10 and so on milliseconds that gives at most 15 ticks. */
static uint64_t tick_ns(const struct plot *plot)
{
	static const int steps[] = { 2, 5, 10 };
	uint64_t tick = 1000000;

	for (uint64_t decade = tick;; decade *= 10) {
		for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
			if ((plot->end - plot->start) / tick <= 15)
				return tick;
			tick = decade * steps[i];
		}
	}
}

static void draw_axis(const struct plot *plot)
{
	uint64_t tick = tick_ns(plot);

	for (uint64_t ns = plot->start; ns <= plot->end; ns += tick) {
		double x = x_of(plot, ns);

		fprintf(plot->file,
			"<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
			"<text class=\"quiet middle\" x=\"%.1f\" y=\"%d\">%.0f%s</text>\n",
			x, x, PLOT_TOP, PLOT_BOTTOM + 6, x, PLOT_BOTTOM + 22, ms(plot, ns),
			ns == plot->start ? " ms" : "");
	}
}

static void draw_legend(const struct plot *plot)
{
	static const struct {
		const char *class;
		int height;
		const char *text;
	} entries[] = {
		{ "s0", 20, "RUNNING under server 0" },
		{ "s1", 20, "RUNNING under server 1" },
		{ "idle", 10, "IDLE: wants to run, waits for a server" },
		{ "blocked", 4, "BLOCKED in the kernel" },
		{ "waiting", 4, "a server without a worker" },
	};
	int x = MARGIN + LABEL_WIDTH;

	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		fprintf(plot->file,
			"<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"26\" height=\"%d\"/>"
			"<text x=\"%d\" y=\"77\">%s</text>\n",
			entries[i].class, x, 72 - entries[i].height / 2, entries[i].height, x + 34,
			entries[i].text);
		x += 34 + 7 * strlen(entries[i].text) + 28;
	}
}

static void draw_header(const struct plot *plot, const struct events *events)
{
	struct utsname system;
	int blocks = 0;

	uname(&system);
	for (size_t i = 0; i < events->count; i++)
		blocks += events->first[i].state == UMCG_TASK_BLOCKED;

	fprintf(plot->file,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
		"width=\"%d\" height=\"%d\">\n<title>UMCG: %d servers, %d workers</title>\n"
		"<style>\n%s</style>\n<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT, SERVERS, WORKERS, style, WIDTH, HEIGHT);
	fprintf(plot->file,
		"<text class=\"title\" x=\"%d\" y=\"32\">"
		"%d servers run %d workers, which block %d times in %.0f ms</text>\n"
		"<text class=\"quiet\" x=\"%d\" y=\"52\">Linux %s %s</text>\n",
		MARGIN, SERVERS, WORKERS, blocks, ms(plot, plot->end), MARGIN, system.release,
		system.machine);
}

static void draw(const struct plot *plot, const struct events *events,
		 const struct worker *workers)
{
	draw_header(plot, events);
	draw_legend(plot);
	draw_rows(plot, workers);
	draw_axis(plot);
	for (int i = 0; i < SERVERS; i++) {
		uint64_t busy = draw_server(plot, events, i);

		fprintf(plot->file,
			"<text class=\"quiet end\" x=\"%d\" y=\"%d\">%.0f %% busy</text>\n",
			MARGIN + LABEL_WIDTH - 8, middle_of_row(i) + 4,
			100.0 * busy / (plot->end - plot->start));
	}
	for (int i = 0; i < WORKERS; i++)
		draw_worker(plot, events, i);
	fprintf(plot->file, "</svg>\n");
}

bool write_timeline(const char *path, const struct events *events, const struct worker *workers)
{
	struct plot plot = { .file = fopen(path, "w") };
	bool good;

	if (plot.file && events->count) {
		plot.start = events->first[0].ns;
		plot.end = events->first[events->count - 1].ns + 1;
		draw(&plot, events, workers);
	}
	good = plot.file && !ferror(plot.file);
	if (plot.file && fclose(plot.file))
		good = false;
	if (!good)
		printf("demo: FAILED: %s cannot be written: %s\n", path, strerror(errno));

	return good;
}
