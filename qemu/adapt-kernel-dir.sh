#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# adapt-kernel-dir.sh FOLDER RELEASE: kernel-dir.sh prepare, for a kernel that was built by other
# patch levels of assembler, linker or gcc than those that are here, or whose release does not
# begin with the version of its sources (7.3-amd64, made of 7.3.0-rc7).
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"

folder=${1:?usage: adapt-kernel-dir.sh FOLDER RELEASE}
release=${2:?usage: adapt-kernel-dir.sh FOLDER RELEASE}

# As if it were on the command line of each make.
export MAKEFLAGS="KERNELRELEASE=$release"

# Prints the lines of a configuration that name the versions of these tools. What such a version
# decides is an option of its own, and those have to hold: kernel-dir.sh compares them.
tool_versions()
{
	grep -E '^CONFIG_(GCC|AS|LD|PAHOLE)_VERSION=' "$1"
}

# Puts the versions that are here in the place of those that the kernel was built by.
adapt_config()
{
	local tools=$folder/tools line

	rm -rf "$tools"
	mkdir "$tools"
	cp "$folder/config" "$tools/.config"
	make -s -C "$folder/source" O="$tools" olddefconfig
	while read -r line; do
		sed -i "s/^${line%%=*}=.*/$line/" "$folder/config"
	done < <(tool_versions "$tools/.config")
	rm -rf "$tools"
}

adapt_config
"$repository/qemu/kernel-dir.sh" prepare "$folder" "$release"
