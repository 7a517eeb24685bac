#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-flavours.sh [PATTERN]: the tests in the guest that match, or a few that meet what kernels
# differ in, on each kernel of tested-kernels but the first, which `make check` takes; with ARCH=
# for another architecture, on all of that. The results come to out/flavours, or out/ARCH/flavours.
# The last line has the totals.
#
# UMCG_CHECK_SECONDS=: no kernel is begun that may take longer than what is left of these.
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/arch.sh
source "$(dirname "$0")/arch.sh"
# shellcheck source=qemu/suite.sh
source "$(dirname "$0")/suite.sh"

# The time for a kernel that must be fetched and prepared, on two busy CPUs; for another architecture
# with its build root.
seconds_a_kernel=420
[[ -z $foreign ]] || seconds_a_kernel=600
# The limit of its boot, where time is limited.
readonly seconds_a_boot=600
# Loading and unloading, the calls, every kind of sleep and of wake-up, the scheduler's hooks, pages
# that are pinned, and pages that are mapped.
readonly short_list='@(abi|block|module|placement|preempt|register|sched_state_map|security|signals|swap|wait|libumcg).*'

cd "$repository"
pattern=${1:-$short_list}
seconds=${UMCG_CHECK_SECONDS:-}
kernel_results=out/${variant}results.txt
results=out/${variant}flavours
passed=0
failed=0
skipped=0

# Adds the totals of a kernel. Without them it has failed before there were any.
count_kernel()
{
	local name=$1 log=$2 begin=$3 totals numbers

	totals=$(tail -n 1 "$log")
	read -r -a numbers < <(grep -xE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' <<<"$totals" |
		tr -dc '0-9 \n') || true
	if ((${#numbers[@]} < 3)); then
		numbers=(0 1 0)
		totals="the check did not finish, see $log"
	fi
	passed=$((passed + numbers[0]))
	failed=$((failed + numbers[1]))
	skipped=$((skipped + numbers[2]))
	((numbers[1] == 0)) || echo -n "not "
	echo "ok kernel $name: $totals ($((SECONDS - begin)) s)"
}

check_kernel()
{
	local series=$1 flavour=$2 name=$1-$2 begin=$SECONDS

	if [[ -n $seconds ]] && ((SECONDS + seconds_a_kernel > seconds)); then
		skipped=$((skipped + 1))
		echo "ok kernel $name # SKIP no time left"
		return
	fi
	echo "kernel $name"
	rm -f "$kernel_results"
	KERNEL_SERIES=$series KERNEL_FLAVOUR=$flavour \
		BOOT_TIMEOUT=${BOOT_TIMEOUT:-${seconds:+$seconds_a_boot}} \
		qemu/check.sh "$pattern" </dev/null 2>&1 | tee "$results/$name.log" || true
	cp "$kernel_results" "$results/$name.txt" || true
	count_kernel "$name" "$results/$name.log" "$begin"
}

rm -rf "$results"
mkdir -p "$results"
while read -r series flavour; do
	check_kernel "$series" "$flavour"
done < <(tested_kernels | if [[ -n $foreign ]]; then cat; else tail -n +2; fi)
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed + skipped > 0))
