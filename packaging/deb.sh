#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# deb.sh OUT: builds the Debian packages from a copy of the sources, so that these stay
# as they are, and prints the names of the files.
set -euo pipefail
packaging=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$packaging/../qemu/lib.sh"

out=${1:?usage: deb.sh OUT}
mkdir -p "$out"
out=$(realpath "$out")
tree=$out/umcg-rs

rm -rf "$tree" "$out"/*.deb
mkdir "$tree"
tar -C "$repository" --exclude=./build --exclude=./out --exclude=./.git -cf - . |
	tar -C "$tree" -xf -
mv "$tree/packaging/debian" "$tree/debian"

cd "$tree"
version=$(make -s -C lib version)
[[ $(dpkg-parsechangelog -S Version) == "$version" ]] ||
	die "packaging/debian/changelog and lib/Makefile ($version) name different versions"
for manifest in {lib/rust,tools,run/options,run/preload,run/command}/Cargo.toml; do
	grep -qx "version = \"$version\"" "$manifest" ||
		die "$manifest and lib/Makefile ($version) name different versions"
done
# The build root has what build-essential stands for, but not the package of that name.
dpkg-buildpackage --build=binary --no-sign --no-check-builddeps >"$out/build.log" 2>&1 || {
	tail -n 30 "$out/build.log" >&2
	die "the packages could not be built, see $out/build.log"
}
rm -rf "$tree"
ls "$out"/*.deb
