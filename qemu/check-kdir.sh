#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-kdir.sh KDIR: can this module be built with KDIR and the tools of this machine?
# Says in one line what is missing, where the compiler would say it in hundreds.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"
# shellcheck source=qemu/kernel-checks.sh
source "$here/kernel-checks.sh"

kdir=${1:?usage: check-kdir.sh KDIR}
config=$kdir/include/config/auto.conf

[[ -r $config ]] || die "$kdir is not a prepared kernel folder"
check_options "$config" "the kernel of $kdir"
[[ -e $kdir/rust/libkernel.rmeta ]] ||
	die "$kdir has no Rust crates (Debian's headers lack them): 'make kdir' makes a folder with them"
find_rust_tools "$config"
hint="; 'make modules' without KDIR uses the build root, which has the right one"
check_rustc "$config" "the kernel of $kdir" "$hint"
check_bindgen "$config" "the kernel of $kdir" "$hint"
