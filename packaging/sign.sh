#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# sign.sh KDIR MODULE KEY CERT: signs the module with the kernel's own tool, so that a
# kernel which knows the certificate loads it where Secure Boot asks for signatures.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/../qemu/lib.sh"
# shellcheck source=qemu/kernel-checks.sh
source "$here/../qemu/kernel-checks.sh"

kdir=$1
module=$2
key=$3
certificate=$4

[[ -n $key && -n $certificate ]] || die "usage: make sign KEY=file.priv CERT=file.der"
[[ -e $module ]] || die "there is no $module yet: make modules"
[[ -x $kdir/scripts/sign-file ]] || die "$kdir has no scripts/sign-file"
[[ -r $key ]] || die "cannot read the key $key"
[[ -r $certificate ]] || die "cannot read the certificate $certificate"

hash=$(option "$kdir/include/config/auto.conf" CONFIG_MODULE_SIG_HASH)
"$kdir/scripts/sign-file" "${hash:-sha256}" "$key" "$certificate" "$module"
[[ $(tail -c 28 "$module") == "~Module signature appended~" ]] || die "$module has no signature"
echo "signed: $module"
