#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# install.sh MANDIR: puts the manual pages there. A page that describes several
# calls is found under each of their names.
set -euo pipefail
umask 022

here=$(realpath "$(dirname "$0")")
mandir=${1:?usage: install.sh MANDIR}

names_of()
{
	sed -n '/^\.Sh NAME/,/^\.Nd /s/^\.Nm \([a-z_-]*\).*/\1/p' "$1"
}

for page in "$here"/*.[1-8]; do
	section=${page##*.}
	folder=$mandir/man$section
	install -d "$folder"
	install -m 644 "$page" "$folder/"
	for name in $(names_of "$page"); do
		[[ $name.$section == "${page##*/}" ]] ||
			echo ".so man$section/${page##*/}" >"$folder/$name.$section"
	done
done
