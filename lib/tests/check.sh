#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# check.sh PROGRAMS LIBRARY: runs the tests of the library that need no module.
# PROGRAMS and LIBRARY are the folders of what was built; CC and MAKE are set.
set -euo pipefail
programs=${1:?usage: check.sh PROGRAMS LIBRARY}
library=${2:?usage: check.sh PROGRAMS LIBRARY}
lib=$(realpath "$(dirname "$0")/..")
log=$programs/log
count=0
failed=0

# The exit status of a test that cannot be made here.
readonly SKIP=77

# Seconds for a test, which takes up to 20 of them while the machine is busy.
readonly LIMIT=120

# test_case NAME COMMAND...: one line of the result, and the output of what failed.
test_case()
{
	local name=$1 status
	shift

	count=$((count + 1))
	# Not as part of a condition: there, the shell would go on after a failure.
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1
	status=$?
	set -e
	case $status in
	0)
		echo "ok $count $name"
		;;
	"$SKIP")
		echo "ok $count $name # SKIP $(tail -n 1 "$log")"
		;;
	*)
		failed=$((failed + 1))
		sed 's/^#* */# /' "$log"
		echo "not ok $count $name"
		;;
	esac
}

need()
{
	command -v "$1" >/dev/null || {
		echo "no $1"
		exit "$SKIP"
	}
}

warnings=(-Wall -Wextra -Wpedantic -Werror)

library_compiles()
{
	need "$1"
	"$MAKE" -s -C "$lib" O="$programs/$1" CC="$1" all
}

# build SOURCE NAME COMPILER OPTION...: an object of a program that uses the library.
build()
{
	local source=$1 object=$programs/$2.o compiler=$3
	shift 3

	need "$compiler"
	"$compiler" "$@" "${warnings[@]}" -I"$lib" -I"$lib/../include/uapi" -c \
		-o "$object" "$lib/tests/$source"
}

# links_shared SOURCE NAME COMPILER OPTION...: it links, and does what it should.
links_shared()
{
	build "$@"
	"$CC" -o "$programs/$2" "$programs/$2.o" -L"$library" -Wl,-rpath,"$library" -lumcg
	"$programs/$2"
}

links_static()
{
	build "$@"
	"$CC" -static -pthread -o "$programs/$2" "$programs/$2.o" "$library/libumcg.a"
	"$programs/$2"
}

# refuses_32_bits COMPILER: the headers say so, before one of libc is missed.
refuses_32_bits()
{
	local header options said

	need "$1"
	for header in libumcg.h umcg_sched.h; do
		for options in -m32 '-m32 -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64'; do
			# shellcheck disable=SC2086 # options are words
			! said=$("$1" $options -fsyntax-only -I"$lib/../include/uapi" \
				"$lib/$header" 2>&1)
			grep -F 'libumcg is for 64-bit programs' <<<"$said"
		done
	done
}

declared_names()
{
	grep -hv '^/\* \|^ \*\|^static inline\|^	' "$lib/libumcg.h" "$lib/umcg_sched.h" |
		grep -o '\<umcg_[a-z_]*(' | tr -d '(' | sort
}

exports_what_is_declared()
{
	diff <(declared_names) \
		<(nm -D --defined-only "$library/libumcg.so.0" | sed -n 's/.* [^A] //p' |
			sed 's/@@UMCG_0\.[0-9]*$//' | sort)
}

# exported LIBRARY: the names, with their versions.
exported()
{
	nm -D --defined-only "$1" | sed -n 's/.* T //p' | sort
}

# declarations HEADER...: what is declared and defined there, one a line, without the bodies of
# functions.
declarations()
{
	local header

	for header; do
		"$CC" -E -dD -I"$lib/../include/uapi" "$header" | awk -v file="\"$header\"" '
			/^# [0-9]+ "/ { is_here = $3 == file; next }
			is_here && /^#define/ { print; next }
			is_here && !/^#/ { rest = rest " " $0 }
			END {
				gsub(/\) *\{[^{}]*\}/, ");", rest)
				gsub(/[;,] *}|[;{}]/, "&\n", rest)
				print rest
			}'
	done | tr -s '\t ' ' ' | sed 's/^ //; s/ $//; s/( /(/g; /^[};]*$/d' |
		sed '/[^)];$/!s/\([A-Z_]* = [0-9]*\), /\1,\n/g' | sort -u
}

# Programs that were built for the last library that was written in C go on with this one. What has
# been added since is not in these lists.
has_what_the_last_c_library_had()
{
	local missing

	exported "$library/libumcg.so.0" >"$programs/symbols"
	declarations "$lib/libumcg.h" "$lib/umcg_sched.h" >"$programs/declarations"
	missing=$(comm -23 "$lib/tests/abi/symbols" "$programs/symbols"
		comm -23 "$lib/tests/abi/declarations" "$programs/declarations")
	echo "missing: $missing"
	[[ -z $missing ]]
}

# What cannot panic needs no code for that, nor anything of Rust's own libraries.
nothing_panics()
{
	local names

	names=$(nm -C "$library/libumcg.a")
	grep -q 'umcg_c::switch' <<<"$names"
	! grep -E 'panic|\<(rust_|std::|alloc::)' <<<"$names"
}

# Two of them in a program, and a library of Rust with std.
links_beside_other_rust()
{
	local name options=()

	while read -r name; do
		options+=(--redefine-sym "$name=other_$name")
	done < <(nm -g --defined-only "$library/libumcg.a" | sed -n 's/.* T //p')
	"$(tool objcopy)" "${options[@]}" "$library/libumcg.a" "$programs/libother.a"
	rustc --edition 2021 --crate-type staticlib -o "$programs/libstd.a" "$lib/tests/beside.rs" || {
		echo "no std of Rust"
		exit "$SKIP"
	}
	"$CC" "${warnings[@]}" -std=gnu11 -pthread -I"$lib" -I"$lib/../include/uapi" \
		-o "$programs/beside" "$lib/tests/beside.c" -Wl,--whole-archive \
		"$library/libumcg.a" "$programs/libother.a" -Wl,--no-whole-archive \
		"$programs/libstd.a" -lm
	"$programs/beside"
}

# The binutils that belong to the compiler.
tool()
{
	"$CC" -print-prog-name="$1"
}

static_names_have_the_prefix()
{
	local names

	names=$(nm -g --defined-only "$library/libumcg.a" | sed -n 's/.* [A-Z] //p')
	grep -q '^umcg_wait$' <<<"$names"
	! grep -v '^umcg_' <<<"$names"
}

is_named_by_its_soname()
{
	readelf -d "$library/libumcg.so" | grep -F 'Library soname: [libumcg.so.0]'
}

needs_libc_only()
{
	local needed

	needed=$(readelf -d "$library/libumcg.so" | grep NEEDED)
	! grep -v -F '[libc.so.6]' <<<"$needed"
}

stays_when_it_is_closed()
{
	"$CC" "${warnings[@]}" -std=gnu11 -pthread -o "$programs/closed" "$lib/tests/closed.c"
	"$programs/closed" "$library/libumcg.so.0" stays
}

a_plugin_with_the_static_library_goes()
{
	"$CC" -shared -pthread -o "$programs/plugin.so" -Wl,--whole-archive "$library/libumcg.a" \
		-Wl,--no-whole-archive
	"$programs/closed" "$programs/plugin.so" goes
}

# There may be no such library, or it may not work here, as in a process that is traced.
need_leak_sanitizer()
{
	local program=$programs/leak-none

	if ! "$CC" -fsanitize=address -x c -o "$program" - <<<'int main(void) { return 0; }' ||
		! ASAN_OPTIONS=detect_leaks=1 "$program"; then
		echo "no LeakSanitizer"
		exit "$SKIP"
	fi
}

# leaks_are_found LIBRARY: what a tag points to is not lost, and nothing else is overlooked.
leaks_are_found()
{
	local program=$programs/leak-${1##*.}

	need_leak_sanitizer
	"$CC" "${warnings[@]}" -std=gnu11 -D_GNU_SOURCE -fsanitize=address -pthread -g \
		-I"$lib" -I"$lib/../include/uapi" -o "$program" "$lib/tests/leak.c" "$1" \
		-Wl,-rpath,"$library"
	ASAN_OPTIONS=detect_leaks=1 "$program"
	! ASAN_OPTIONS=detect_leaks=1 "$program" forgotten 2>"$program.log"
	grep 'LeakSanitizer: detected memory leaks' "$program.log"
	grep '100 byte(s) leaked in 1 allocation(s)' "$program.log"
}

installs()
{
	local root=$programs/root file

	rm -rf "$root"
	"$MAKE" -s -C "$lib" O="$programs/installed" CC="$CC" PREFIX=/usr DESTDIR="$root" install
	for file in lib/libumcg.a lib/libumcg.so lib/libumcg.so.0 lib/pkgconfig/umcg.pc \
		include/libumcg.h include/umcg_sched.h include/linux/umcg.h; do
		[[ -s $root/usr/$file ]] || {
			echo "$file is missing"
			return 1
		}
	done
	! grep '@' "$root/usr/lib/pkgconfig/umcg.pc"
}

is_found_by_pkg_config()
{
	local root=$programs/root options

	need pkg-config
	options=$(PKG_CONFIG_LIBDIR="$root/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root" \
		PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
		pkg-config --cflags --libs umcg)
	# shellcheck disable=SC2086 # options are words
	"$CC" -o "$programs/by-pkg-config" "$lib/tests/user.c" $options
	LD_LIBRARY_PATH=$root/usr/lib "$programs/by-pkg-config"
}

# run_tests PROGRAM LABEL: each test in a process of its own.
run_tests()
{
	local name

	for name in $("$programs/$1"); do
		test_case "$2: $name" timeout "$LIMIT" "$programs/$1" "$name"
	done
}

# run_tests_in_groups PROGRAM LABEL: again those that can be run in any group, in direct mode.
run_tests_in_groups()
{
	local name flags

	for flags in 2 6 30; do
		for name in $("$programs/$1" -a); do
			test_case "$2, group flags $flags: $name" \
				timeout "$LIMIT" env CREW_GROUP_FLAGS=$flags \
				"$programs/$1" "$name"
		done
	done
}

test_case "the library compiles cleanly: gcc" library_compiles gcc
test_case "the library compiles cleanly: clang" library_compiles clang
for compiler in gcc clang; do
	test_case "C11 links to the shared library: $compiler" \
		links_shared user.c "c-$compiler" "$compiler" -std=c11 -D_DEFAULT_SOURCE
	test_case "a program of 2021 compiles: $compiler" \
		links_shared names_of_2021.c "c-2021-$compiler" "$compiler" -std=gnu11
	test_case "32 bits are refused: $compiler" refuses_32_bits "$compiler"
done
for compiler in g++ clang++; do
	test_case "C++17 links to the shared library: $compiler" \
		links_shared user.c "c++-$compiler" "$compiler" -x c++ -std=c++17
	test_case "a program of 2021 compiles: $compiler" \
		links_shared names_of_2021.c "c++-2021-$compiler" "$compiler" -x c++ -std=gnu++17
done
test_case "C11 links to the static library" \
	links_static user.c c-static "$CC" -std=c11 -D_DEFAULT_SOURCE
test_case "the shared library exports what is declared" exports_what_is_declared
test_case "what the last library in C had is there" has_what_the_last_c_library_had
test_case "nothing panics, and nothing of Rust shows" nothing_panics
test_case "two static libraries and other Rust link to one program" links_beside_other_rust
test_case "the names of the static library have its prefix" static_names_have_the_prefix
test_case "the shared library is named by its soname" is_named_by_its_soname
test_case "the shared library needs libc only" needs_libc_only
test_case "the shared library stays when it is closed" stays_when_it_is_closed
test_case "a plugin with the static library goes when it is closed" \
	a_plugin_with_the_static_library_goes
test_case "a leak sanitizer finds what tags point to, static" leaks_are_found "$library/libumcg.a"
test_case "a leak sanitizer finds what tags point to, shared" leaks_are_found "$library/libumcg.so"
test_case "make install" installs
test_case "pkg-config finds it" is_found_by_pkg_config
for program in races waits direct; do
	run_tests "$program-plain" "$program"
	run_tests "$program-thread" "$program, thread sanitizer"
	run_tests "$program-address" "$program, address sanitizer"
	run_tests_in_groups "$program-plain" "$program"
	run_tests_in_groups "$program-thread" "$program, thread sanitizer"
done

echo "1..$count"
((failed == 0))
