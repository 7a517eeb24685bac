#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dkms-build.sh RELEASE: builds the module in the current folder, for DKMS. What it
# cannot do, the last line of DKMS's log tells.
set -euo pipefail

kdir=$(packaging/local-kdir.sh "$1")
make KDIR="$kdir" modules
