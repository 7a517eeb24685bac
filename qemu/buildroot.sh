#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the build root, a Debian with all the tools, and prints its path: Debian 13, or what
# UMCG_SUITE= names (see suite.sh). It is made once and lives in the cache; another list of packages
# makes another. That for another architecture (ARCH=) is the machine's own, with compilers for the
# other one, whose packages apt knows too.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"
# shellcheck source=qemu/arch.sh
source "$here/arch.sh"
# shellcheck source=qemu/suite.sh
source "$here/suite.sh"

# Its text is part of the root's name, so that of the usual suite stays as it is.
prepare=prepare_${other_suite:+other_}apt

# The packages that make check has its host stages and its tools from, which are not built in
# another suite: their dependencies are installable there on some days only.
readonly of_usual_suite='debhelper|dh-dkms|librust-.*|mandoc|python3-sphinx|spin'

list_packages()
{
	cat "$here/packages" ${foreign:+"$here/packages-$foreign"} | sed 's/#.*//' | tr -s '[:space:]' '\n' |
		sed '/^$/d' | sort | grep -vxE "${other_suite:+$of_usual_suite}"
	# Of the crates, the one that the library needs.
	[[ -z $other_suite ]] || echo librust-libc-dev
}

# mmdebstrap calls this, or the next one, when apt of the new root is set up but has not run.
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

# The kernels of sid are those of experimental, too. Nothing else is taken from there: apt
# prefers the packages of the suite itself.
prepare_other_apt()
{
	local root=$1 more
	local sources=$root/etc/apt/sources.list

	"$here/host-apt.sh" settings "$root"
	for more in "${more_suites[@]}"; do
		sed -n "s/^\(deb .*\) $suite main.*/\1 $more main/p" "$sources" \
			>"$root/etc/apt/sources.list.d/$more.list"
		[[ -s $root/etc/apt/sources.list.d/$more.list ]] ||
			die "no archive of $suite in the new root's sources.list"
	done
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
--prepare-apt) "$prepare" "$2"; exit ;;
--make) "make_${foreign:+foreign_}root" "$2"; exit ;;
esac

find_cache
root=$cache/root-$({ echo "$suite"; list_packages; declare -f "make_${foreign:+foreign_}root" "$prepare"; } | key_of_stdin)
if [[ ! -e $root ]]; then
	[[ $(id -u) == 0 ]] || die "only root can make the build root; with KDIR=… it is not needed"
	"$here/host-packages.sh"
	take_cache_lock
fi
if [[ ! -e $root ]]; then
	rm -rf --one-file-system "$cache"/root-*.partial
	partial=$root.$$.partial
	run_step "making the build root ($suite_title, about a minute)" "$cache/root.log" \
		unshare --mount --propagation private "$here/buildroot.sh" --make "$partial"
	mv "$partial" "$root"
fi
echo "$root"
