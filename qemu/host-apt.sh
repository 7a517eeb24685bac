#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# host-apt.sh settings ROOT: lets apt in ROOT reach the network as the host's apt does.
# host-apt.sh mirror: prints a Debian mirror that the host uses and that has
# the packages of the build root, or nothing.
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/arch.sh
source "$(dirname "$0")/arch.sh"
# shellcheck source=qemu/suite.sh
source "$(dirname "$0")/suite.sh"

copy_into()
{
	local root=$1 file=$2

	[[ -f $file ]] || return 0
	mkdir -p "$root$(dirname "$file")"
	cp --dereference --preserve=mode "$file" "$root$file"
}

# Proxies, credentials, certificates and names: all that the way to the archive
# may depend on, and how old its lists may be: a mirror may be a snapshot of some day.
copy_settings()
{
	local root=$1 file

	mkdir -p "$root/etc/apt/apt.conf.d"
	{
		apt-config dump | grep -E '^Acquire::((http|https|ftp)::|Retries|ForceIPv|Check-|Max-)' || true
		echo 'APT::Sandbox::User "root";'
		echo 'APT::Install-Recommends "false";'
	} >"$root/etc/apt/apt.conf.d/80host"

	while read -r file; do
		copy_into "$root" "$file"
	done < <(sed -n 's/^.*"\(\/.*\)";$/\1/p' "$root/etc/apt/apt.conf.d/80host")
	for file in /etc/apt/auth.conf /etc/apt/auth.conf.d/* /etc/resolv.conf /etc/hosts \
		/etc/ssl/certs/ca-certificates.crt; do
		copy_into "$root" "$file"
	done
}

host_archives()
{
	local uri

	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u |
		while read -r uri; do
			case $uri in
			http://* | https://*) echo "$uri" ;;
			mirror+file:*) grep -o '^https\?://[^[:space:]]*' "${uri#mirror+file:}" || true ;;
			esac
		done | grep -v security || true
}

find_mirror()
{
	local uri

	probe=$(mktemp -d)
	trap 'rm -rf "$probe"' EXIT
	while read -r uri; do
		if /usr/lib/apt/apt-helper download-file "${uri%/}/dists/$last_suite/InRelease" \
			"$probe/InRelease" >"$probe/log" 2>&1; then
			echo "${uri%/}"
			return
		fi
	done < <(host_archives)
}

command -v apt-config >/dev/null || exit 0
case ${1-} in
settings) copy_settings "$2" ;;
mirror) find_mirror ;;
*) die "usage: host-apt.sh settings ROOT | mirror" ;;
esac
