#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# canary.sh [SUITE...]: builds the module for the newest kernel of each suite, tested or not, boots
# it and runs the demo there. Says in one line for each what breaks. The suites are trixie with
# backports, and sid with experimental, if none is named. KERNEL_FLAVOUR= is as for kernel.sh.
#
# canary.sh --what-breaks LOG: prints the first failure that a log tells of.
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"

cd "$repository"
logs=build/canary
broken=0

# An error of a compiler comes with the place of it, which rustc names in the next line.
what_breaks()
{
	awk '
	errors == 1 && NR == first + 1 && sub(/^ *--> /, "") { text = text " (" $0 ")" }
	/^(error|ERROR)|: (fatal )?error: |^not ok|\*\*\* / {
		errors++
		if (errors == 1) {
			text = $0
			first = NR
		}
	}
	{ last = $0 }
	END { print errors ? text (errors > 1 ? ", and " errors - 1 " more" : "") : last }' "$1"
}

# try NAME COMMAND...: a step; what breaks comes to $reason.
try()
{
	local log=$logs/$suite-$1.log
	shift

	! "$@" </dev/null >"$log" 2>&1 || return 0
	reason="$(what_breaks "$log") [$log]"
	return 1
}

# Builds and boots in the suite $suite.
check_suite()
{
	local name="newest kernel" reason=

	export UMCG_SUITE=$suite KERNEL_SERIES=newest
	if try kernel qemu/kernel.sh --update; then
		name=$(cat "$(tail -n 1 "$logs/$suite-kernel.log")/include/config/kernel.release")
		name+=", $(qemu/in-root.sh rustc --version | cut -d ' ' -f 1-2)"
		try module make modules W=e && try demo make demo || true
	fi
	if [[ -n $reason ]]; then
		broken=$((broken + 1))
		echo "$suite, $name: breaks: $reason"
	else
		echo "$suite, $name: nothing breaks"
	fi
}

if [[ ${1-} == --what-breaks ]]; then
	what_breaks "$2"
	exit
fi

mkdir -p "$logs"
(($#)) || set -- trixie sid
for suite in "$@"; do
	check_suite
done
((broken == 0))
