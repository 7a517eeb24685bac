// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A program with two libraries of this kind, the second one under other names, and other Rust: each
 * has its own threads, and panics as it does.
 */
#include <libumcg.h>

umcg_tid other_umcg_get_utid(void);
void other_umcg_set_task_tag(umcg_tid utid, intptr_t tag);
uint32_t beside_sum(uint32_t count);

int main(void)
{
	const umcg_tid self = umcg_get_utid(), other = other_umcg_get_utid();

	if (self == UMCG_NONE || other == UMCG_NONE || self == other)
		return 1;
	other_umcg_set_task_tag(other, 1);
	if (umcg_get_task_tag(self))
		return 2;
	if (beside_sum(4) != 10 || beside_sum(0) != 0)
		return 3;

	return 0;
}
