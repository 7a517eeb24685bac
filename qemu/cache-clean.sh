#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Removes the build roots, the kernels and the guests of this project's cache, and the
# folder if nothing else is in it.
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"

find_cache
take_cache_lock
say "removing $(du -sh "$cache" | cut -f 1) in $cache"
rm -rf --one-file-system "$cache"/{root,kernel,choice,guest}-* "$cache"/disk* "$cache"/*.log
rm "$cache/lock"
rmdir --ignore-fail-on-non-empty "$cache"
