#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-scripts.sh: scripts and makefiles do the same in any environment: with CDPATH, with a
# mask that keeps others out, in a folder with an odd name. Prints lines of "ok" and "not ok".
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"

cd "$repository"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check NAME COMMAND...: one test; what the command prints is shown if it fails.
check()
{
	local name=$1 status
	shift

	# Not as part of a condition: there, the shell would go on after a failure.
	set +e
	(
		set -e
		"$@"
	) >"$work/log" 2>&1
	status=$?
	set -e
	if ((status == 0)); then
		echo "ok $name"
		return
	fi
	failed=$((failed + 1))
	sed 's/^/# /' "$work/log"
	echo "not ok $name"
}

scripts()
{
	find . -name .git -prune -o -path ./build -prune -o -path ./out -prune -o \
		-type f \( -name '*.sh' -o -name Makefile -o -path './.ci/*' \) -print
}

# With CDPATH, cd prints where it goes: realpath says the same, always.
nobody_captures_cd()
{
	local files

	mapfile -t files < <(scripts)
	! grep -nE '(\$\(|<\(|`)[[:space:]]*cd[[:space:]]' "${files[@]}"
}

# One that has sourced lib.sh has no CDPATH; any other names an absolute path, or "$out" or
# "$built", which are.
cd_goes_to_one_place()
{
	local files

	mapfile -t files < <(scripts | xargs grep -L '^source .*/lib\.sh"')
	! grep -nE '^[^#]*\<cd [^/]' "${files[@]}" | grep -vE 'cd "\$(\(realpath |out"|built")'
}

# $1: CDPATH
doctor_with()
{
	CDPATH=$1 bash packaging/doctor.sh --build-root 2>&1 || true
}

doctor_ignores_cdpath()
{
	diff <(doctor_with '') <(doctor_with .)
	mkdir -p "$work/elsewhere/packaging"
	diff <(doctor_with '') <(doctor_with "$work/elsewhere")
}

# Everything below $1 can be read by all, and written by its owner only.
all_can_read()
{
	! find "$1" ! -type l \( -type d ! -perm 755 -o -type f ! -perm 644 ! -perm 755 \) \
		-printf '%m %p\n' | grep .
}

install_leaves_nobody_out()
{
	local stage=$work/stage

	umask 077
	mkdir -p "$stage/usr/lib/deep"
	echo >"$stage/usr/lib/deep/file"
	chmod 644 "$stage/usr/lib/deep/file"
	mkdir -m 755 "$work/target"
	DESTDIR=$work/target packaging/install.sh "$stage" /usr/share/umcg/installed-files
	all_can_read "$work/target"
}

man_pages_are_for_all()
{
	umask 077
	mkdir -m 755 "$work/man"
	Documentation/man/install.sh "$work/man"
	all_can_read "$work/man"
}

# refuses FOLDER MAKEFILE: in a folder of that name.
refuses()
{
	local folder=$work/$1

	mkdir -p "$folder"
	cp "$2" "$folder/Makefile"
	! make -C "$folder" >"$work/output" 2>&1
	grep 'cannot build in a folder whose path has a space or a colon' "$work/output"
}

check "scripts.nobody_captures_cd" nobody_captures_cd
check "scripts.cd_goes_to_one_place" cd_goes_to_one_place
check "scripts.doctor_ignores_CDPATH" doctor_ignores_cdpath
check "scripts.install_leaves_nobody_out" install_leaves_nobody_out
check "scripts.manual_pages_are_for_all" man_pages_are_for_all
for makefile in Makefile lib/Makefile; do
	check "scripts.a_path_with_a_space_is_refused: $makefile" refuses 'a b' "$makefile"
	check "scripts.a_path_with_a_colon_is_refused: $makefile" refuses 'a:b' "$makefile"
done
((failed == 0))
