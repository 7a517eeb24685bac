#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes a folder that has the programs of qemu/programs and their libraries, as Debian 13 has
# them, and prints its path. It is made once and lives in the cache; with --find it is only looked
# for, as in the build root it cannot be made.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"

suite=trixie

list_packages()
{
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/programs"
}

# Nothing is configured, so no server is set up or started.
make_root()
{
	local root=$1
	local mirror=${UMCG_MIRROR:-$("$here/host-apt.sh" mirror)}

	mmdebstrap --mode=root --variant=extract --format=directory \
		--setup-hook="'$here/buildroot.sh' --prepare-apt \"\$1\"" \
		--include="$(list_packages | paste -sd,)" "$suite" "$root" ${mirror:+"$mirror"}
}

if [[ ${1-} == --make ]]; then
	make_root "$2"
	exit
fi

find_cache
root=$cache/programs-$({ list_packages; declare -f make_root; } | key_of_stdin)
[[ ${1-} != --find || -e $root ]] || die "$root is not there: start $0 outside of the build root"
if [[ ! -e $root ]]; then
	[[ $(id -u) == 0 ]] || die "only root can make this"
	"$here/host-packages.sh"
	take_cache_lock
fi
if [[ ! -e $root ]]; then
	rm -rf --one-file-system "$cache"/programs-*.partial
	partial=$root.$$.partial
	run_step "fetching the programs of the benchmark" "$cache/programs.log" \
		unshare --mount --propagation private "$here/programs-root.sh" --make "$partial"
	mv "$partial" "$root"
fi
echo "$root"
