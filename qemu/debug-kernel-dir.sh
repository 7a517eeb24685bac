#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debug-kernel-dir.sh FOLDER KIND SOURCE: builds the kernel of guest.config and KIND.config in
# FOLDER/build, which is then a KDIR, and leaves its image beside it. Runs inside the build
# root.
#
# No module of the kernel's own is built: what the guest needs is built in, and KVM is
# configured as one for the sake of the preempt notifiers that it brings.
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"

folder=$1
kind=$2
source=$3
fragments=("$repository/qemu/guest.config" "$repository/qemu/$kind.config")

kernel_make()
{
	make -C "$source" O="$folder/build" LLVM=1 LOCALVERSION="-umcg-$kind" "$@"
}

# Prints options of the fragments that the configuration does not have. An option whose
# dependencies are not met disappears silently.
lost_options()
{
	local line name

	while read -r line; do
		name=$(grep -o 'CONFIG_[A-Z0-9_]*' <<<"$line")
		case $line in
		CONFIG_*) grep -qxF "$line" "$folder/build/.config" || echo "$line" ;;
		*) ! grep -q "^$name=" "$folder/build/.config" || echo "$line" ;;
		esac
	done < <(grep -hE '^(# )?CONFIG_' "${fragments[@]}")
}

configure()
{
	local lost

	cat "${fragments[@]}" >"$folder/wanted"
	kernel_make -s KCONFIG_ALLCONFIG="$folder/wanted" allnoconfig
	lost=$(lost_options)
	[[ -z $lost ]] || die "the $kind kernel would lack:" "$lost"
}

# Modules are built with headers, scripts and the crates' metadata: what went into the
# image is not needed any more, and it is big.
remove_objects()
{
	find "$folder/build" -type f \( -name '*.o' -o -name '*.a' -o -name 'vmlinux*' -o -name '.vmlinux*' \) \
		! -name vmlinux.symvers ! -path '*/build/scripts/*' ! -path '*/build/tools/*' -delete
}

mkdir -p "$folder/build"
configure
kernel_make -j"$(nproc)" bzImage modules_prepare
cp "$folder/build/vmlinux.symvers" "$folder/build/Module.symvers"
cp "$folder/build/arch/x86/boot/bzImage" "$folder/vmlinuz"
remove_objects
echo "$kind" >"$folder/kind"
