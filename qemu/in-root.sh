#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# in-root.sh COMMAND...: runs a command inside the build root, in the current
# folder. The repository and the cache are seen there under their own paths.
# All mounts belong to the command alone and go away with it.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"
# shellcheck source=qemu/arch.sh
source "$here/arch.sh"
# shellcheck source=qemu/suite.sh
source "$here/suite.sh"

bind_at_same_path()
{
	mkdir -p "$root$1"
	mount --bind "$1" "$root$1"
}

enter()
{
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	bind_at_same_path "$cache"
	bind_at_same_path "$repository"
	exec chroot "$root" /usr/bin/env -i --chdir="$PWD" HOME=/root TERM="${TERM:-dumb}" \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 UMCG_CACHE="$cache" \
		UMCG_IN_ROOT=1 "${build_environment[@]}" "$@"
}

[[ -z ${UMCG_IN_ROOT-} ]] || exec "$@"

find_cache
if [[ ${1-} == --in-namespace ]]; then
	root=$2
	shift 2
	enter "$@"
fi

[[ $PWD/ == "$repository"/* || $PWD/ == "$cache"/* ]] || cd "$repository"
root=$("$here/buildroot.sh")
exec unshare --mount --propagation private "$here/in-root.sh" --in-namespace "$root" "$@"
