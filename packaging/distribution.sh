# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the distributions call the packages that a build of the module needs. Source it after
# lib.sh.

# Where the distribution's files are: a test has others elsewhere.
system=${UMCG_SYSTEM-}

# os_release NAME: a line of os-release, without quotes.
os_release()
{
	sed -n "s/^$1=\"\\?\\([^\"]*\\)\"\\?$/\\1/p" "$system/etc/os-release" 2>/dev/null || true
}

# Sets $distribution: debian, ubuntu, fedora or arch; empty if it is none of them and not like one.
find_distribution()
{
	local name

	distribution=
	for name in $(os_release ID) $(os_release ID_LIKE); do
		case $name in
		debian | ubuntu | fedora | arch)
			distribution=$name
			return
			;;
		esac
	done
}

# The first two numbers of a version.
short_version()
{
	grep -oE '^[0-9]+\.[0-9]+' <<<"$1"
}

# Arch has one package of headers for each flavour of the kernel: linux-zen-headers.
arch_headers()
{
	local flavour

	flavour=$(grep -oE '(zen|lts|hardened|rt|rt-lts)$' <<<"$1" || true)
	echo "linux${flavour:+-$flavour}-headers"
}

# Prints the packages that have the headers of the kernel $1.
header_packages()
{
	case $distribution in
	debian | ubuntu) echo "linux-headers-$1" ;;
	fedora) echo "kernel-devel-$1" ;;
	arch) arch_headers "$1" ;;
	esac
}

# Prints those that have its Rust crates, where these are not made again.
crate_packages()
{
	case $distribution in
	ubuntu) echo "linux-lib-rust-$1" ;;
	fedora | arch) header_packages "$1" ;;
	esac
}

# Prints those that have rustc of version $1. apt takes a pattern as a version, and does not
# exchange the other two for older ones by itself.
rustc_packages()
{
	case $distribution in
	debian) echo "'rustc=$1*' 'libstd-rust-dev=$1*' 'rust-src=$1*'" ;;
	ubuntu) echo "rustc-$(short_version "$1")" ;;
	fedora) echo "rust-$1" ;;
	arch) echo "rust" ;;
	esac
}

# Prints those that have bindgen of version $1.
bindgen_packages()
{
	case $distribution in
	debian) echo bindgen ;;
	ubuntu) echo "bindgen-$(short_version "$1")" ;;
	fedora) echo bindgen-cli ;;
	arch) echo rust-bindgen ;;
	esac
}

# Prints those that have a program or the sources of Rust's core library.
tool_packages()
{
	case $distribution-$1 in
	debian-xz | ubuntu-xz) echo xz-utils ;;
	fedora-python3 | debian-python3 | ubuntu-python3) echo python3 ;;
	arch-python3) echo python ;;
	*) echo "$1" ;;
	esac
}

# how_to_install PACKAGES: " (apt install …)" in the words of the distribution, or nothing if it
# is not known or has none.
how_to_install()
{
	[[ -n $1 ]] || return 0
	case $distribution in
	debian | ubuntu) echo " (apt install $1)" ;;
	fedora) echo " (dnf install $1)" ;;
	arch) echo " (pacman -S $1)" ;;
	esac
}
