#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the KDIR of a stock Debian kernel: a folder to build Rust modules with. It is
# made once and lives in the cache, in the folder of its kernel (see kernel-dir.sh). Which
# kernel: see choose_kernel(). With KERNEL=debug or kcsan it is the KDIR of a debug kernel
# (see debug-kernel.sh).
#
# KERNEL_RELEASE=7.3.4+deb13-rt-amd64 asks for that very release, KERNEL_SERIES=7.2 and
# KERNEL_FLAVOUR=rt-amd64 for the newest one of these, KERNEL_SERIES=newest for the newest of
# all, tested or not. UMCG_SUITE=sid looks in that suite. The choice stands until
# "kernel.sh --update", so that a second run is fast and needs no network.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"
# shellcheck source=qemu/arch.sh
source "$here/arch.sh"
# shellcheck source=qemu/suite.sh
source "$here/suite.sh"

[[ -z ${KERNEL-} ]] || exec "$here/debug-kernel.sh" "$KERNEL"

flavour=${KERNEL_FLAVOUR:-$(tested_kernels | sed -n '1s/.* //p')}

# Lines "package version" of all kernel packages in the archive. Those of another architecture
# have it behind their names, which nobody needs: the names tell it as well.
archive_packages()
{
	# shellcheck disable=SC2016
	"$here/in-root.sh" sh -c 'apt-cache madison $(apt-cache pkgnames linux-)' |
		awk -F '[ |]+' '{ sub(/^ +/, ""); sub(/:.*/, "", $1); print $1, $2 }' | sort -u
}

# Lines "release version" of the kernels that the archive has whole: headers,
# modules, image and the sources of the very same version; the newest is the last.
whole_kernels()
{
	awk '{ has[$1, $2] = 1; name[NR] = $1; version[NR] = $2 }
	END {
		for (i = 1; i <= NR; i++) {
			release = name[i]
			v = version[i]
			if (!sub(/^linux-headers-/, "", release) || !match(release, /^[0-9]+\.[0-9]+/))
				continue
			series = substr(release, 1, RLENGTH)
			if (has["linux-modules-" release, v] && has["linux-source-" series, v] &&
			    (has["linux-binary-unsigned-" release, v] || has["linux-binary-" release, v]))
				print release, v
		}
	}' | sort -V
}

# The series to look for, the best one first.
wanted_series()
{
	if [[ -n ${KERNEL_SERIES-} ]]; then
		echo "$KERNEL_SERIES"
	else
		tested_series
	fi
}

# Sets $release and $version: the kernel asked for, or the newest of the newest
# tested series that is there, or the newest of all with a warning.
choose_kernel()
{
	local kernels series choice=

	kernels=$(archive_packages | whole_kernels)
	if [[ -n ${KERNEL_RELEASE-} ]]; then
		choice=$(awk -v wanted="$KERNEL_RELEASE" '$1 == wanted' <<<"$kernels" | tail -n 1)
	else
		kernels=$(awk -v flavour="-$flavour" \
			'substr($1, index($1, "-")) == flavour' <<<"$kernels")
		while [[ -z $choice ]] && read -r series; do
			choice=$(awk -v series="$series" '{ match($1, /^[0-9]+\.[0-9]+/) }
				series == "newest" || substr($1, 1, RLENGTH) == series' <<<"$kernels" |
				tail -n 1)
		done < <(wanted_series)
		if [[ -z $choice && -z ${KERNEL_SERIES-} ]]; then
			choice=$(tail -n 1 <<<"$kernels")
			say "warning: no kernel of a tested series in the archive, taking ${choice% *}"
		fi
	fi
	read -r release version <<<"$choice" || true
}

# apt's own lock among the lists tells when they were asked for last.
update_lists()
{
	local lock=$root/var/lib/apt/lists/lock

	"$here/host-apt.sh" settings "$root"
	if ! $update && [[ -n $(find "$lock" -mmin -60) ]]; then
		return
	fi
	run_step "asking the archive for kernels" "$cache/update.log" "$here/in-root.sh" \
		apt-get -q -o APT::Update::Error-Mode=any update
	touch "$lock"
	# A suite that goes on brings other compilers for its next kernels.
	! $update || [[ -z $other_suite ]] ||
		run_step "upgrading the build root" "$cache/update.log" "$here/in-root.sh" \
			env DEBIAN_FRONTEND=noninteractive apt-get -qy dist-upgrade
}

# Lists that are an hour old may name kernels that have left the archive since.
find_and_fetch_kernel()
{
	update_lists
	choose_kernel
	[[ -n $release ]] || die "the archive has no whole kernel" \
		"${KERNEL_RELEASE:-${KERNEL_SERIES-} of flavour $flavour};" \
		"it has: $(archive_packages | whole_kernels | cut -d ' ' -f 1 | paste -sd ' ')"

	folder=$cache/kernel-$release-$(echo "$version $key" | key_of_stdin)
	[[ ! -e $folder/fetched ]] || return 0
	rm -rf --one-file-system "$folder"
	run_step "getting kernel $release" "$cache/fetch.log" \
		"$here/in-root.sh" "$here/kernel-dir.sh" fetch "$folder" "$release" "$version"
	touch "$folder/fetched"
}

# The paths in a KDIR are absolute, so it is made at its final place; the files
# "fetched" and "whole" say how far the folder of a kernel is to be trusted.
make_kernel()
{
	find_and_fetch_kernel
	if [[ ! -e $folder/whole ]]; then
		run_step "preparing $release for Rust modules (2 minutes on two cores)" \
			"$cache/prepare.log" \
			"$here/in-root.sh" "${prepare[@]}" "$folder" "$release"
		tail -n 1 "$cache/prepare.log" >&2
		touch "$folder/whole"
	fi
	ln -sfn "$folder" "$choice_link.partial"
	mv -T "$choice_link.partial" "$choice_link"
}

find_cache
root=$("$here/buildroot.sh")
# The usual suite has the very tools that its kernels were built by.
prepare=("$here/kernel-dir.sh" prepare)
recipe=("$here/kernel-dir.sh" "$here/check-symvers")
if [[ -n $other_suite ]]; then
	prepare=("$here/adapt-kernel-dir.sh")
	recipe+=("$here/adapt-kernel-dir.sh")
fi
# All that decides what is in the folder of a kernel, but its version.
key=$({ echo "$root"; cat "${recipe[@]}"; } | key_of_stdin)
choice_link=$cache/choice-$({ echo "$key $flavour ${KERNEL_RELEASE-}"; wanted_series; } | key_of_stdin)

update=false
[[ ${1-} != --update ]] || update=true

if $update || [[ ! -e $choice_link/whole ]]; then
	take_cache_lock
	if $update || [[ ! -e $choice_link/whole ]]; then
		make_kernel
	fi
fi
echo "$(readlink -f "$choice_link")/build"
