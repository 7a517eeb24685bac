#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh OUT MODEL NAME VERDICT [-DCONSTANT...]: goes through all that can happen in the
# file MODEL.pml with these constants, and says whether the verdict is right: "holds", or
# what SPIN says of the step at which a model with a bug fails. If it is not, the
# steps that led there are shown.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
out=$(realpath -m "${1:?usage: run.sh OUT MODEL NAME VERDICT [-DCONSTANT...]}/${3:?}")
model=$here/${2:?}.pml
name=$3
verdict=${4:?}
constants=("${@:5}")

# The search is exact: no state is taken for another one, and its memory is bounded.
seconds=900
megabytes=1900
depth=3000000
hash_bits=24
# Steps that concern one process alone are taken in one order: what is asserted, and where all
# processes stand still, is the same. Direct mode is too large without that.
reduction=-DNOREDUCE
[[ $2 != direct ]] || reduction=

make_verifier()
{
	mkdir -p "$out"
	cd "$out"
	rm -f ./*.trail
	spin "${constants[@]}" -a "$model" >spin.log || {
		cat spin.log
		exit 1
	}
	gcc -O2 -w -DSAFETY $reduction -DCOLLAPSE -DMEMLIM=$megabytes -o pan pan.c
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
	[[ ! -e ${model##*/}.trail ]] ||
		spin "${constants[@]}" -k "${model##*/}.trail" -t -p -g "$model" | tail -n "${STEPS:-80}"
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
