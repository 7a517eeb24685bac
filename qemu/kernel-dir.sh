#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the folder of one stock kernel. Runs inside the build root:
#
# kernel-dir.sh fetch FOLDER RELEASE VERSION    gets the packages and unpacks them
# kernel-dir.sh prepare FOLDER RELEASE          makes FOLDER/build, the KDIR
#
# The folder then holds source/ build/ vmlinuz and lib/modules/RELEASE.
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"

available()
{
	apt-cache show "$1" >/dev/null 2>&1
}

fetch()
{
	local folder=$1 release=$2 version=$3
	local series image package

	series=$(grep -oE '^[0-9]+\.[0-9]+' <<<"$release")
	image=linux-binary-unsigned-$release
	available "$image=$version" || image=linux-binary-$release

	mkdir -p "$folder"/packages
	cd "$folder"/packages
	apt-get download "linux-source-$series=$version" "linux-headers-$release=$version" \
		"$image=$version" "linux-modules-$release=$version"
	for package in *.deb; do
		dpkg-deb -x "$package" .
	done

	mkdir ../source
	tar -C ../source --strip-components=1 -xf "usr/src/linux-source-$series.tar.xz"
	cp "usr/src/linux-headers-$release/.config" ../config
	cp "usr/src/linux-headers-$release/Module.symvers" ../
	mkdir -p ../lib/modules
	mv "usr/lib/modules/$release" ../lib/modules/
	mv ../lib/modules/"$release"/vmlinuz* ../vmlinuz
	cd ..
	rm -rf packages
	depmod -b . "$release"
}

# The crates of the kernel can be used by the very compiler only that built it.
check_rustc()
{
	local wanted have

	wanted=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\(.*\)"$/\1/p' config)
	have=$(rustc --version)
	[[ -n $wanted ]] || die "kernel $release was built without Rust (CONFIG_RUST)"
	[[ $wanted == "$have" ]] ||
		die "kernel $release was built with '$wanted', the build root has '$have'"
}

# An option that changed would change the layout of structures unnoticed. The
# name of the C compiler is the one thing that may differ.
check_config()
{
	local changes

	changes=$(diff <(grep -v CC_VERSION_TEXT config) <(grep -v CC_VERSION_TEXT build/.config)) ||
		die "the configuration of $release changes with these tools:" "$changes"
}

prepare()
{
	local folder=$1 release=$2
	local upstream built

	cd "$folder"
	check_rustc
	rm -rf build
	mkdir build
	cp config build/.config
	upstream=$(make -s -C source kernelversion)
	set -- make -C "$folder/source" O="$folder/build" LOCALVERSION="${release#"$upstream"}"
	"$@" -s olddefconfig
	check_config
	"$@" -j"$(nproc)" prepare modules_prepare
	cp Module.symvers build/

	built=$(<build/include/config/kernel.release)
	[[ $built == "$release" ]] || die "the sources made release $built instead of $release"
	"$repository/qemu/check-symvers" build
}

case ${1-} in
fetch) fetch "$2" "$3" "$4" ;;
prepare) prepare "$2" "$3" ;;
*) die "usage: kernel-dir.sh fetch|prepare FOLDER RELEASE [VERSION]" ;;
esac
