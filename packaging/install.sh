#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# install.sh STAGE LIST: copies what lies in STAGE to its place below DESTDIR, adds
# the names to the file LIST there, and has the system take notice.
# install.sh --remove LIST: removes what LIST names, and LIST.
set -euo pipefail
# Folders are for all users; files have the modes of the stage.
umask 022

root=${DESTDIR-}

# Makes a folder with all above it, and notes those that were not there.
make_folder()
{
	local folder=$1

	[[ ! -d $root$folder ]] || return 0
	make_folder "$(dirname "$folder")"
	mkdir "$root$folder"
	names+=("$folder/")
}

copy_files()
{
	local stage=$1 list=$2 path
	local names=()

	mkdir -p "$root/"
	while read -r path; do
		make_folder "$(dirname "$path")"
		cp --no-dereference --preserve=mode,timestamps "$stage$path" "$root$path"
		names+=("$path")
	done < <(find "$stage" ! -type d -printf '/%P\n' | sort)
	make_folder "$(dirname "$list")"
	# What an earlier run has installed, for another kernel for example, is to go in the end, too.
	if [[ -e $root$list ]]; then
		mapfile -t names < <(awk '!seen[$0]++' "$root$list" - < <(printf '%s\n' "${names[@]}"))
	else
		names+=("$list")
	fi
	printf '%s\n' "${names[@]}" >"$root$list"
}

# A folder in which others have put something since stays.
remove_files()
{
	local path

	while read -r path; do
		case $path in
		*/) rmdir --ignore-fail-on-non-empty "$root$path" ;;
		*) rm -f "$root$path" ;;
		esac
	done < <(tac "$1")
}

if_there()
{
	! command -v "$1" >/dev/null || "$@"
}

# A folder for a package is not the system.
tell_system()
{
	local release

	[[ -z $root ]] || return 0
	if_there ldconfig
	while read -r release; do
		if_there depmod "$release"
	done < <(sed -n 's|^/lib/modules/\([^/]*\)/.*|\1|p' "$1" | sort -u)
	if_there systemd-sysusers
	[[ ! -d /run/udev ]] || if_there udevadm control --reload
}

case ${1-} in
--remove)
	[[ -e $root$2 ]] || {
		echo "nothing is installed: there is no $root$2" >&2
		exit 1
	}
	copy=$(mktemp)
	trap 'rm -f "$copy"' EXIT
	cp "$root$2" "$copy"
	remove_files "$copy"
	tell_system "$copy"
	;;
*)
	copy_files "$1" "$2"
	tell_system "$root$2"
	echo "installed; 'make uninstall' removes what $root$2 lists"
	;;
esac
