#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh MANDIR: are the installed pages without a flaw in the eyes of mandoc, is
# every page of this project there that one of them names, and does every call of the
# library have one?
set -euo pipefail

here=$(realpath "$(dirname "$0")")
mandir=${1:?usage: check.sh MANDIR}
flaws=0

complain()
{
	echo "$*"
	flaws=$((flaws + 1))
}

# Pages of others may not be installed on the machine that checks.
lint()
{
	mandoc -T lint -W style "$1" 2>&1 |
		grep -vE 'referenced manual not found|outdated mandoc.db' || true
}

references()
{
	sed -n 's/^\.\(It \)\{0,1\}Xr //p' "$1" | grep -oE '\<(lib)?umcg[a-z_-]* [1-8]' | sort -u || true
}

calls()
{
	sed -n 's/^\t\(umcg_[a-z_]*\);$/\1/p' "$here/../../lib/libumcg.map"
}

for page in "$here"/*.[1-8]; do
	while read -r flaw; do
		complain "$flaw"
	done < <(lint "$page")
	while read -r name section; do
		[[ -e $mandir/man$section/$name.$section ]] ||
			complain "${page##*/} refers to $name($section), which is not there"
	done < <(references "$page")
done
for call in $(calls); do
	[[ -e $mandir/man3/$call.3 ]] || complain "$call() has no page"
done

((flaws == 0)) || exit 1
echo "$(find "$mandir" -type f | wc -l) pages, $(calls | wc -l) calls, no flaw"
