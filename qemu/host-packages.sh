#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks the few programs that the host itself needs. All others are in the build root.
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"

keyring=/usr/share/keyrings/debian-archive-trixie-automatic.gpg

missing_packages()
{
	command -v make >/dev/null || echo make
	command -v mmdebstrap >/dev/null || echo mmdebstrap
	command -v gpg >/dev/null || echo gpg
	command -v flock >/dev/null && command -v unshare >/dev/null || echo util-linux
	command -v mount >/dev/null || echo mount
	[[ -e $keyring ]] || echo debian-archive-keyring
}

mapfile -t packages < <(missing_packages)
((${#packages[@]})) || exit 0

command -v apt-get >/dev/null ||
	die "this needs a Debian host, or one with: ${packages[*]}"
[[ $(id -u) == 0 ]] ||
	die "packages are missing, install them as root: apt-get install ${packages[*]}"

install_packages()
{
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q
	apt-get install -q -y --no-install-recommends "${packages[@]}"
}

find_cache
run_step "installing on this machine: ${packages[*]}" "$cache/host-packages.log" install_packages
