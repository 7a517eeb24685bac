#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debug-kernel.sh KIND: prints the KDIR of a debug kernel: built from the sources of the
# stock kernel that kernel.sh finds, with guest.config and KIND.config. It is built once
# and kept in the cache, in a folder like that of a stock kernel, plus the file "kind".
#
# UMCG_NO_EXPORT=1: without the export of task_work_add(), which Debian's patches add.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"
# shellcheck source=qemu/arch.sh
source "$here/arch.sh"

kind=${1:?usage: debug-kernel.sh KIND}
[[ -e $here/$kind.config ]] || die "KERNEL=$kind is not known: there are debug and kcsan"
no_export=${UMCG_NO_EXPORT:+-no-export}
[[ $arch == amd64 ]] || die "KERNEL=$kind is built for amd64 only"

# The sources of the stock kernel without the export, as links to its files.
remove_export()
{
	local file=$folder/source/kernel/task_work.c

	cp -al "$source" "$folder/source"
	grep -vx 'EXPORT_SYMBOL_GPL(task_work_add);' "$file" >"$file.new"
	! cmp -s "$file" "$file.new" || die "$file does not export task_work_add()"
	mv "$file.new" "$file"
	source=$folder/source
}

# Neither for modpost nor in the image, where other exports can be seen.
check_export_is_gone()
{
	local build=$folder/build

	grep -q ' __ksymtab_schedule$' "$build/System.map" || die "$build/System.map has no exports"
	! grep -w -e task_work_add "$build/Module.symvers" &&
		! grep ' __ksymtab_task_work_add$' "$build/System.map" ||
		die "the kernel in $folder exports task_work_add()"
}

# A folder that a killed run left behind is not "whole", and is made anew.
make_kernel()
{
	rm -rf --one-file-system "$folder"
	mkdir "$folder"
	[[ -z $no_export ]] || remove_export
	run_step "building the $kind kernel (10 to 20 minutes on two cores)" "$cache/$kind.log" \
		"$here/in-root.sh" "$here/debug-kernel-dir.sh" "$folder" "$kind" "$source"
	[[ -z $no_export ]] || check_export_is_gone
	touch "$folder/whole"
}

find_cache
stock=$(KERNEL='' "$here/kernel.sh")
stock=$(dirname "$stock")
source=$stock/source
# All that decides what is in the folder; that of the stock kernel is named after the rest.
key=$({ echo "$stock"; cat "$here"/{debug-kernel-dir.sh,guest.config,"$kind.config"}
	[[ -z $no_export ]] || declare -f remove_export; } | key_of_stdin)
folder=$cache/kernel-$kind$no_export-$key

if [[ ! -e $folder/whole ]]; then
	take_cache_lock
	[[ -e $folder/whole ]] || make_kernel
fi
echo "$folder/build"
