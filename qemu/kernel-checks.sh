# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Requirements of the module for a kernel, and for the tools that build it. Source it
# after lib.sh. Each check exits with a reason. CONFIG is a .config or an auto.conf; WHO
# names the kernel in the message.

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
}

# check_rustc CONFIG WHO HINT: crates can be used by the very compiler only that built them.
check_rustc()
{
	local wanted have

	wanted=$(option "$1" CONFIG_RUSTC_VERSION_TEXT)
	have=$(rustc --version 2>/dev/null || echo none)
	[[ $have == "$wanted" ]] || die "$2 needs '$wanted', rustc here is '$have'; $3"
}

# check_exports SYMVERS WHO: are there the exports that not every kernel has?
check_exports()
{
	local symbol

	for symbol in __tracepoint_sched_entry_tp preempt_notifier_register; do
		grep -qF $'\t'"$symbol"$'\t' "$1" || die "$2 does not export $symbol to modules"
	done
}
