// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

_Noreturn void test_fails(const char *what, const char *file, int line)
{
	printf("# %s:%d: not so: %s\n", file, line, what);
	fflush(stdout);
	_exit(1);
}

int main(int argc, char **argv)
{
	const bool lists_some = argc > 1 && strcmp(argv[1], "-a") == 0;

	for (const struct test *test = tests; test->name; test++) {
		if (argc < 2 || lists_some) {
			if (!lists_some || test->in_any_group)
				puts(test->name);
		} else if (strcmp(test->name, argv[1]) == 0) {
			test->run();
			return 0;
		}
	}

	return argc < 2 || lists_some ? 0 : 2;
}
