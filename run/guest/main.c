// SPDX-License-Identifier: GPL-2.0
/* subject CASE [ARGUMENT...]: runs one case. */
#include <string.h>

#include "cases.h"
#include "subject.h"

static int run(const struct subject_case *cases, char **arguments)
{
	for (; cases->name; cases++) {
		if (!strcmp(cases->name, arguments[0]))
			return cases->run(arguments + 1);
	}
	return -1;
}

int main(int argc, char **argv)
{
	const struct subject_case *const all[] = { thread_cases, lock_cases, process_cases,
						      wake_cases };

	for (unsigned int i = 0; argc > 1 && i < sizeof(all) / sizeof(*all); i++) {
		const int result = run(all[i], argv + 1);

		if (result >= 0)
			return result;
	}
	fprintf(stderr, "usage: subject CASE\n");
	return 2;
}
