#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-kdir.sh KDIR: can this module be built with KDIR and the tools of this machine?
# Says in one line what is missing, where the compiler would say it in hundreds.
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"

kdir=${1:?usage: check-kdir.sh KDIR}
config=$kdir/include/config/auto.conf

option()
{
	sed -n "s/^$1=\"\\?\\([^\"]*\\)\"\\?$/\\1/p" "$config"
}

need_option()
{
	[[ $(option "$1") == y ]] || die "the kernel of $kdir was built without $1: $2"
}

[[ -r $config ]] || die "$kdir is not a prepared kernel folder"
need_option CONFIG_RUST "it cannot take Rust modules"
need_option CONFIG_PREEMPT_NOTIFIERS "the module needs it (CONFIG_KVM brings it)"

[[ -e $kdir/rust/libkernel.rmeta ]] ||
	die "$kdir has no Rust crates (Debian's headers come without): 'make kdir' makes a folder that has"
built_with=$(option CONFIG_RUSTC_VERSION_TEXT)
have=$(rustc --version 2>/dev/null || echo none)
[[ $have == "$built_with" ]] ||
	die "the kernel of $kdir needs '$built_with', rustc here is '$have';" \
		"'make modules' without KDIR uses the build root, which has the right one"
