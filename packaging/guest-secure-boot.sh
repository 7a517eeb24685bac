#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which modules does a kernel load that was started by Secure Boot? Runs as root in the
# guest of `make check-install`, in a folder with the modules. Prints lines of "ok" and
# "not ok".
set -uo pipefail

cd "$(realpath "$(dirname "$0")")" || exit
export HOME=/root LC_ALL=C.UTF-8
# shellcheck source=packaging/guest-check.sh
source ./guest-check.sh

secure_boot_is_on()
{
	mokutil --sb-state | tee /dev/stderr | grep -qx 'SecureBoot enabled'
}

kernel_is_locked_down()
{
	cat /sys/kernel/security/lockdown
	grep -qF '[integrity]' /sys/kernel/security/lockdown
}

# refuses MODULE REASON: is the module not loaded, for this reason?
refuses()
{
	local answer

	answer=$(insmod "$1" 2>&1) && return 1
	echo "$answer"
	[[ $answer == *"$2" && ! -e /dev/umcg ]]
}

loads()
{
	insmod "$1" && [[ -c /dev/umcg ]] && modinfo -F signer "$1"
}

check "Secure Boot is on" secure_boot_is_on
check "the kernel is locked down" kernel_is_locked_down
check "a module without a signature is refused" refuses ./unsigned.ko "Key was rejected by service"
check "a module that a strange key has signed is refused" refuses ./strange.ko "Key was rejected by service"
check "a module that an enrolled key has signed is loaded" loads ./signed.ko
check "the kernel has not complained" kernel_log_is_clean
echo "# end of results"
