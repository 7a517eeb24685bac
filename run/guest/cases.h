/* SPDX-License-Identifier: GPL-2.0 */
/* The cases of the subject, in tables that end with a NULL. */
#ifndef CASES_H
#define CASES_H

struct subject_case {
	const char *name;
	int (*run)(char **arguments);
};

extern const struct subject_case thread_cases[], lock_cases[], process_cases[],
	wake_cases[];

#endif
