/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A program of tests: without an argument it lists their names, with one it runs
 * that test, and its exit status tells.
 */
#ifndef TEST_H
#define TEST_H

#include <stddef.h>

struct test {
	const char *name;
	void (*run)(void);
};

/* Ends with an entry without a name. */
extern const struct test tests[];

#define TEST(function)	{ #function, function }

_Noreturn void test_fails(const char *what, const char *file, int line);

#define CHECK(condition)						\
	((condition) ? (void)0 : test_fails(#condition, __FILE__, __LINE__))

#endif /* TEST_H */
