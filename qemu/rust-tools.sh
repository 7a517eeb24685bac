#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rust-tools.sh KDIR: prints, for the kernel's Makefile, the programs that build Rust modules with
# KDIR, where these are not simply rustc and bindgen: RUSTC=rustc-1.93 BINDGEN=bindgen-0.71
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"
# shellcheck source=qemu/kernel-checks.sh
source "$here/kernel-checks.sh"

config=${1:?usage: rust-tools.sh KDIR}/include/config/auto.conf
# What is wrong with such a folder, check-kdir.sh says.
[[ -r $config ]] || exit 0

find_rust_tools "$config"
words=()
[[ $rustc == rustc ]] || words+=(RUSTC="$rustc")
[[ $bindgen == bindgen ]] || words+=(BINDGEN="$bindgen")
echo "${words[@]}"
