#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the build root, a Debian 13 with all the tools, and prints its path.
# It is made once and lives in the cache; another list of packages makes another. That for another
# architecture (ARCH=) is the machine's own, with compilers for the other one, whose packages apt
# knows too.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"
# shellcheck source=qemu/arch.sh
source "$here/arch.sh"

suite=trixie

list_packages()
{
	cat "$here/packages" ${foreign:+"$here/packages-$foreign"} | sed 's/#.*//' | tr -s '[:space:]' '\n' | sed '/^$/d' | sort
}

# mmdebstrap calls this when apt of the new root is set up but has not run.
prepare_apt()
{
	local root=$1
	local sources=$root/etc/apt/sources.list

	"$here/host-apt.sh" settings "$root"
	sed -n "s/^\(deb .*\) $suite main.*/\1 $suite-backports main/p" "$sources" \
		>"$root/etc/apt/sources.list.d/backports.list"
	[[ -s $root/etc/apt/sources.list.d/backports.list ]] ||
		die "no archive of $suite in the new root's sources.list"
}

# The lists of packages stay in the root: the search for a kernel needs them.
make_root()
{
	local root=$1
	local mirror=${UMCG_MIRROR:-$("$here/host-apt.sh" mirror)}

	mmdebstrap --mode=root --variant=apt --format=directory \
		--skip=cleanup/apt/lists \
		--setup-hook="'$here/buildroot.sh' --prepare-apt \"\$1\"" \
		--include="$(list_packages | paste -sd,)" "$suite" "$root" ${mirror:+"$mirror"}
}

# The same for another architecture.
make_foreign_root()
{
	local root=$1
	local mirror=${UMCG_MIRROR:-$("$here/host-apt.sh" mirror)}

	mmdebstrap --mode=root --variant=apt --format=directory \
		--architectures="$host_arch,$foreign" --skip=cleanup/apt/lists \
		--setup-hook="'$here/buildroot.sh' --prepare-apt \"\$1\"" \
		--include="$(list_packages | paste -sd,)" "$suite" "$root" ${mirror:+"$mirror"}
}

case ${1-} in
--prepare-apt) prepare_apt "$2"; exit ;;
--make) "make_${foreign:+foreign_}root" "$2"; exit ;;
esac

find_cache
root=$cache/root-$({ echo "$suite"; list_packages; declare -f "make_${foreign:+foreign_}root" prepare_apt; } | key_of_stdin)
if [[ ! -e $root ]]; then
	[[ $(id -u) == 0 ]] || die "only root can make the build root; with KDIR=… it is not needed"
	"$here/host-packages.sh"
	take_cache_lock
fi
if [[ ! -e $root ]]; then
	rm -rf --one-file-system "$cache"/root-*.partial
	partial=$root.$$.partial
	run_step "making the build root (Debian 13, about a minute)" "$cache/root.log" \
		unshare --mount --propagation private "$here/buildroot.sh" --make "$partial"
	mv "$partial" "$root"
fi
echo "$root"
