#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debug-kernel.sh KIND: prints the KDIR of a debug kernel: built from the sources of the
# stock kernel that kernel.sh finds, with guest.config and KIND.config. It is built once
# and kept in the cache, in a folder like that of a stock kernel, plus the file "kind".
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"
# shellcheck source=qemu/arch.sh
source "$here/arch.sh"

kind=${1:?usage: debug-kernel.sh KIND}
[[ -e $here/$kind.config ]] || die "KERNEL=$kind is not known: there are debug and kcsan"
[[ $arch == amd64 ]] || die "KERNEL=$kind is built for amd64 only"

# A folder that a killed run left behind is not "whole", and is made anew.
make_kernel()
{
	rm -rf --one-file-system "$folder"
	mkdir "$folder"
	run_step "building the $kind kernel (10 to 20 minutes on two cores)" "$cache/$kind.log" \
		"$here/in-root.sh" "$here/debug-kernel-dir.sh" "$folder" "$kind" "$source"
	touch "$folder/whole"
}

find_cache
stock=$(KERNEL='' "$here/kernel.sh")
stock=$(dirname "$stock")
source=$stock/source
# All that decides what is in the folder; that of the stock kernel is named after the rest.
key=$({ echo "$stock"; cat "$here"/{debug-kernel-dir.sh,guest.config,"$kind.config"}; } | key_of_stdin)
folder=$cache/kernel-$kind-$key

if [[ ! -e $folder/whole ]]; then
	take_cache_lock
	[[ -e $folder/whole ]] || make_kernel
fi
echo "$folder/build"
