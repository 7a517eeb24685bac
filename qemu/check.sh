#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [PATTERN]: all checks of the project, then the tests in the guest. With a pattern only
# the tests in the guest that match. With ARCH= for another architecture, with UMCG_SUITE= for
# another suite, or with KERNEL=debug or kcsan the guest has that kernel (see debug-kernel.sh), and
# what needs no guest is left out. With REPEAT=50 each test in the guest is run so often; one that
# fails once has failed. The last line has the totals.
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/arch.sh
source "$(dirname "$0")/arch.sh"
# shellcheck source=qemu/suite.sh
source "$(dirname "$0")/suite.sh"

cd "$repository"
# As any user may start it: tests must not depend on either.
umask 077
export CDPATH=.

pattern=${1-}
kind=${KERNEL-}
build=$(realpath -m --relative-to . "build/$variant")
logs=$build/check${kind:+-$kind}
passed=0
failed=0
skipped=0

print_totals()
{
	local status=$?

	# A step that ended the script, such as the making of the build root, has failed.
	((status == 0 || failed > 0)) || failed=1
	echo "$passed passed, $failed failed, $skipped skipped"
	((failed == 0 && passed > 0)) || exit 1
}

# stage NAME COMMAND...: one check. A warning fails it too: none is tolerated.
stage()
{
	local name=$1 log=$logs/${1// /-}.log begin=$SECONDS status=0
	shift

	"$@" </dev/null >"$log" 2>&1 || status=$?
	if ((status == 0)) && ! grep -i 'warning' "$log" >&2; then
		passed=$((passed + 1))
		echo "ok $name ($((SECONDS - begin)) s)"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $name ($((SECONDS - begin)) s), $log:"
	tail -n 60 "$log"
	return 1
}

build_module_anew()
{
	rm -rf "$build/module${kind:+-$kind}"
	make modules W=e
}

# Adds the "ok" lines of a file to the totals.
count_ok_lines()
{
	skipped=$((skipped + $(grep -c '^ok .* # SKIP' "$1" || true)))
	passed=$((passed + $(grep '^ok ' "$1" | grep -vc ' # SKIP' || true)))
}

# test_stage NAME COMMAND...: the tests that the command tells of, be it rustc's test
# programs or lines of "ok", come on top of the stage itself.
test_stage()
{
	local log=$logs/${1// /-}.log counts

	stage "$@" || return 0
	counts=$(sed -n 's/^test result: ok\. \([0-9]*\) passed; 0 failed; \([0-9]*\) ignored.*/\1 \2/p' \
		"$log" | awk '{ passed += $1; skipped += $2 } END { print passed + 0, skipped + 0 }')
	passed=$((passed + ${counts% *}))
	skipped=$((skipped + ${counts#* }))
	count_ok_lines "$log"
}

# Counts the lines of the guest's tests. A failure of the boot itself counts once more.
guest_tests()
{
	local kdir=$1 results=out/$variant${kind:+$kind/}results.txt status=0 guest_failed environment

	# Those of an earlier run are not to be counted if this one does not come so far.
	mkdir -p "${results%/*}"
	: >"$results"
	mapfile -t environment < <(guest_environment)
	qemu/in-root.sh env BOOT_TIMEOUT="${BOOT_TIMEOUT-}" BOOT_OPTIONS="${BOOT_OPTIONS-}" \
		REPEAT="${REPEAT-}" UMCG_PARALLEL="${UMCG_PARALLEL-}" "${environment[@]}" \
		qemu/boot.sh "$kdir" check "$pattern" || status=$?
	guest_failed=$(grep -c '^not ok ' "$results" || true)
	failed=$((failed + guest_failed))
	count_ok_lines "$results"
	if ((status != 0 && guest_failed == 0)); then
		failed=$((failed + 1))
		echo "not ok boot"
	fi
}

trap print_totals EXIT
mkdir -p "$logs"
kdir=${KDIR:-$(qemu/kernel.sh)}
built=true

if [[ -z $pattern && -z $kind && -z $variant ]]; then
	stage "rustfmt" make rustfmtcheck || true
	stage "layers" make layers || true
	stage "clippy" make clippy || true
	stage "module" build_module_anew || built=false
	test_stage "scripts" qemu/check-scripts.sh
	stage "rustdoc" make rustdoc || true
	stage "documentation" make htmldocs || true
	stage "manual pages" make man-check || true
	test_stage "host tests" make host-test
	test_stage "misuse of sys" make misuse
	test_stage "model" make model
	test_stage "library" make lib-check
	test_stage "crate" make crate-check
	test_stage "run" make run-check
	test_stage "tools" make tools-check
	test_stage "bench-run" make workloads-check
	stage "examples" make examples benchmarks || true
	test_stage "sharing" make sharing
elif [[ -z $pattern ]]; then
	stage "module" build_module_anew || built=false
else
	stage "module" make modules || built=false
fi
programs=(selftests tutorial runner rust-module test-modules)
# There is no std of the other architecture to build it with.
[[ -n $foreign ]] || programs+=(crate tutorial-rust)
# Nor are there the crates of umcg-run in another suite. boot.sh takes it for the same patterns.
[[ -n $variant || ( -n $pattern && $pattern != '*' && $pattern != *run* ) ]] || programs+=(run-guest)
# Nor those of the runtimes.
[[ -n $variant || ( -n $pattern && $pattern != '*' && $pattern != *@(runtimes|tokio|rayon)* ) ]] || programs+=(runtimes)
stage "programs" make "${programs[@]}" || built=false
# They take a while, and other tests do not need them.
if [[ -z $variant && ( -z $pattern || $pattern == *tools* ) ]]; then
	stage "programs for people" make tools examples || true
fi

if $built; then
	guest_tests "$kdir"
else
	echo "not booted: the build of the guest tests has failed"
fi
