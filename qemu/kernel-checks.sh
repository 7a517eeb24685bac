# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Requirements of the module for a kernel, and for the tools that build it. Source it
# after lib.sh. Each check exits with a reason. CONFIG is a .config or an auto.conf; WHO
# names the kernel in the message, HINT how to get what it needs.

# It lays out some structures wrongly, without a word: rust-bindgen's issue 3406.
readonly bad_bindgen="bindgen 0.73.1"

# option CONFIG NAME: the value of an option, without quotes.
option()
{
	sed -n "s/^$2=\"\\?\\([^\"]*\\)\"\\?$/\\1/p" "$1"
}

# check_options CONFIG WHO
check_options()
{
	local name reason

	while read -r name reason; do
		[[ $(option "$1" "$name") == y ]] || die "$2 was built without $name: $reason"
	done <<-'END'
		CONFIG_RUST it cannot take Rust modules
		CONFIG_PREEMPT_NOTIFIERS the module needs it (CONFIG_KVM brings it)
		CONFIG_TRACEPOINTS the module needs it (CONFIG_FTRACE brings it)
	END
	[[ $(option "$1" CONFIG_BINDGEN_VERSION_TEXT) != "$bad_bindgen" ]] ||
		die "$2 was built with $bad_bindgen, which lays out structures wrongly" \
			"(rust-bindgen issue 3406): its own Rust crates have them"
}

version_text()
{
	"$1" --version 2>/dev/null | head -n 1
}

# rust_version CONFIG: 1.85.1, that of the rustc that built the kernel; from "rustc 1.85.1 (…".
rust_version()
{
	option "$1" CONFIG_RUSTC_VERSION_TEXT | cut -d ' ' -f 2
}

bindgen_version()
{
	option "$1" CONFIG_BINDGEN_VERSION_TEXT | cut -d ' ' -f 2
}

# first_of_version WANTED PROGRAM...: prints the first program that is of that version, or else the
# first one that is there.
first_of_version()
{
	local wanted=$1 program first=
	shift

	for program in "$@"; do
		command -v "$program" >/dev/null || continue
		first=${first:-$program}
		if [[ $(version_text "$program") == "$wanted" ]]; then
			echo "$program"
			return
		fi
	done
	echo "${first:-$1}"
}

# find_rust_tools CONFIG: sets $rustc and $bindgen to the programs that built the kernel, also where
# they are not the ones without a number (Ubuntu's rustc-1.93), or to what comes closest. RUSTC=
# and BINDGEN= come first.
find_rust_tools()
{
	local rust short

	rust=$(rust_version "$1")
	short=${rust%.*}
	rustc=$(first_of_version "$(option "$1" CONFIG_RUSTC_VERSION_TEXT)" \
		${RUSTC:+"$RUSTC"} rustc "rustc-$short" "/usr/lib/rust-$short/bin/rustc")
	short=$(bindgen_version "$1")
	bindgen=$(first_of_version "bindgen $short" ${BINDGEN:+"$BINDGEN"} bindgen "bindgen-${short%.*}")
}

# check_rustc CONFIG WHO HINT: crates can only be used by the compiler that built them.
check_rustc()
{
	local wanted have

	wanted=$(option "$1" CONFIG_RUSTC_VERSION_TEXT)
	have=$(version_text "$rustc" || true)
	[[ ${have:-none} == "$wanted" ]] ||
		die "$2 needs '$wanted', $rustc here is '${have:-none}'$3"
}

# check_bindgen CONFIG WHO HINT: any good version will do for the module's own structures. The
# kernel's crates can only be made again by the version that made them.
check_bindgen()
{
	local wanted have

	wanted=$(option "$1" CONFIG_BINDGEN_VERSION_TEXT)
	have=$(version_text "$bindgen" || true)
	[[ $have != "$bad_bindgen" ]] ||
		die "$bindgen here is $have, which lays out structures wrongly (rust-bindgen issue 3406)$3"
	[[ -z ${crates_made_again-} || $have == "$wanted" ]] ||
		die "$2 needs '$wanted', $bindgen here is '${have:-none}'$3"
}

# check_exports SYMVERS WHO CONFIG: are there the exports that not every kernel has? With
# CONFIG_MODVERSIONS the file has what a module is checked by when it is loaded.
check_exports()
{
	local symbol

	for symbol in __tracepoint_sched_entry_tp preempt_notifier_register; do
		grep -qF $'\t'"$symbol"$'\t' "$1" || die "$2 does not export $symbol to modules"
	done
	[[ $(option "$3" CONFIG_MODVERSIONS) != y ]] ||
		! grep -q $'^0x00000000\tpreempt_notifier_register\t' "$1" ||
		die "$2 has CONFIG_MODVERSIONS, and its Module.symvers has no versions: modules would not load"
}
