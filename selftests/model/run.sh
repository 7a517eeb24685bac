#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh OUT NAME VERDICT [-DCONSTANT...]: goes through all that can happen in the
# model with these constants, and says whether the verdict is right: "holds", or
# what SPIN says of the step at which a model with a bug fails. If it is not, the
# steps that led there are shown.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
out=$(realpath -m "${1:?usage: run.sh OUT NAME VERDICT [-DCONSTANT...]}/${2:?}")
name=$2
verdict=${3:?}
constants=("${@:4}")

# The search is exact: no state is taken for another one, and its memory is bounded.
seconds=900
megabytes=1900
depth=3000000
hash_bits=24

make_verifier()
{
	mkdir -p "$out"
	cd "$out"
	rm -f ./*.trail
	spin "${constants[@]}" -a "$here/umcg.pml" >spin.log || {
		cat spin.log
		exit 1
	}
	gcc -O2 -w -DSAFETY -DNOREDUCE -DCOLLAPSE -DMEMLIM=$megabytes -o pan pan.c
}

found()
{
	if grep -q 'errors: 0$' pan.log && ! grep -qE 'not completed|too small|out of memory' pan.log; then
		echo holds
	else
		sed -n 's/^pan:[0-9]*: \(assertion violated\|invalid end state\).*/\1/p' pan.log
	fi
}

show_steps()
{
	cat pan.log
	[[ ! -e umcg.pml.trail ]] ||
		spin "${constants[@]}" -k umcg.pml.trail -t -p -g "$here/umcg.pml" | tail -n "${STEPS:-80}"
}

make_verifier
timeout $seconds ./pan -m$depth -n -w$hash_bits >pan.log 2>&1 || true
if [[ $(found) != "$verdict" || -n ${STEPS-} ]]; then
	show_steps
fi
if [[ $(found) != "$verdict" ]]; then
	echo "not ok spin.$name: not \"$verdict\""
	exit 1
fi
echo "ok spin.$name: $verdict ($(awk '
	/ states, stored/ { states = $1 }
	/total actual memory usage/ { memory = $1 }
	/ elapsed time/ { seconds = $4 }
	END { printf "%d states, %d MB, %.1f s", states, memory, seconds }' pan.log))"
