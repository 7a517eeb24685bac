/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A program of tests: without an argument it lists their names, with "-a" those of tests
 * that can be run in any group; with another one it runs that test, and its exit status
 * tells.
 */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>

struct test {
	const char *name;
	void (*run)(void);
	bool in_any_group;
};

/* Ends with an entry without a name. */
extern const struct test tests[];

#define TEST(function)	{ #function, function, false }
/* It does not mind in which mode its group is. */
#define TEST_IN_ANY_GROUP(function)	{ #function, function, true }

_Noreturn void test_fails(const char *what, const char *file, int line);

#define CHECK(condition)						\
	((condition) ? (void)0 : test_fails(#condition, __FILE__, __LINE__))

#endif /* TEST_H */
