#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# doctor.sh [--build-root] [RELEASE]: can this machine build the module for the kernel
# RELEASE, the running one if it is not named? Prints one line: yes, or no and the reason.
# With --build-root tools and sources are those that make fetches.
set -euo pipefail
packaging=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$packaging/../qemu/lib.sh"
# shellcheck source=qemu/kernel-checks.sh
source "$packaging/../qemu/kernel-checks.sh"
# shellcheck source=packaging/distribution.sh
source "$packaging/distribution.sh"

own_tools=true
if [[ ${1-} == --build-root ]]; then
	own_tools=false
	shift
fi
release=${1:-$(uname -r)}
series=$(grep -oE '^[0-9]+\.[0-9]+' <<<"$release" || true)
headers=$system/lib/modules/$release/build

# What is checked is said by "no: " and the reason.
die()
{
	echo "no: $*"
	exit 1
}

# shellcheck source=qemu/arch.sh
source "$packaging/../qemu/arch.sh"

is_older_than()
{
	[[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]
}

check_kernel()
{
	local oldest

	oldest=$(tested_series | tail -n 1)
	[[ -n $series ]] || die "'$release' is not the release of a kernel"
	! is_older_than "$series" "$oldest" ||
		die "kernel $release is too old: the module needs Linux $oldest"
	[[ -r $headers/.config && -r $headers/Module.symvers ]] ||
		die "the headers of kernel $release are not installed$(how_to_install \
			"$(header_packages "$release")")"
	check_options "$headers/.config" "kernel $release"
	check_exports "$headers/Module.symvers" "kernel $release" "$headers/.config"
}

need_program()
{
	command -v "$1" >/dev/null || die "$2 is not installed$(how_to_install "$3")"
}

check_tools()
{
	local config=$headers/.config rustc_hint bindgen_hint

	find_rust_tools "$config"
	rustc_hint=$(rustc_packages "$(rust_version "$config")")
	bindgen_hint=$(bindgen_packages "$(bindgen_version "$config")")
	need_program "$rustc" rustc "$rustc_hint"
	need_program "$bindgen" bindgen "$bindgen_hint"
	need_program make make make
	check_rustc "$config" "kernel $release" "; that very one is needed$(how_to_install "$rustc_hint")"
	check_bindgen "$config" "kernel $release" "$(how_to_install "$bindgen_hint")"
}

# What makes the kernel's crates again.
check_more_tools()
{
	local tool

	for tool in flex bison bc python3 xz; do
		need_program "$tool" "$tool" "$(tool_packages "$tool")"
	done
	[[ -e $("$rustc" --print sysroot)/lib/rustlib/src/rust/library/core/src/lib.rs ]] ||
		die "the sources of Rust's core are not installed$(how_to_install "$(tool_packages rust-src)")"
}

version_of()
{
	# shellcheck disable=SC2016
	dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true
}

# Debian's headers come without the kernel's Rust crates: these are made again from the sources,
# which have to be those of the kernel. Elsewhere a package has them.
check_sources()
{
	local kernel sources package=linux-source-$series

	[[ ! -e $headers/rust/libkernel.rmeta ]] || return 0
	kernel=$(version_of "linux-headers-$release")
	[[ -n $crates_made_again && -n $kernel ]] ||
		die "the headers of kernel $release have no Rust crates (rust/libkernel.rmeta)," \
			"and only for Debian's kernels they can be made again$(how_to_install \
			"$(crate_packages "$release")")"
	$own_tools || return 0
	check_more_tools
	sources=$(version_of "$package")
	[[ -n $sources ]] ||
		die "$package is not installed, to make the kernel's Rust crates from" \
			"(apt install $package=$kernel)"
	[[ $sources == "$kernel" ]] ||
		die "$package is version $sources, kernel $release is $kernel" \
			"(apt install $package=$kernel)"
}

find_distribution
check_kernel
crates_made_again=
[[ -e $headers/rust/libkernel.rmeta || $distribution != debian ]] || crates_made_again=yes
! $own_tools || check_tools
check_sources
if grep -qxF "$series" < <(tested_series); then
	echo "yes: the module can be built here for kernel $release"
else
	echo "yes, but untested: the module may be built here for kernel $release"
fi
