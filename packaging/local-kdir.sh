#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# local-kdir.sh [RELEASE]: prints a folder in which Rust modules for the kernel RELEASE,
# the running one if it is not named, can be built with the tools of this machine. That
# is the folder of the kernel's headers, or one that is made from linux-source-X.Y and
# kept in UMCG_KDIRS, /var/cache/umcg, for the next time. DKMS builds with it. RUSTC= and BINDGEN=
# name the tools where they are not found by themselves.
set -euo pipefail
packaging=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$packaging/../qemu/lib.sh"
# shellcheck source=qemu/arch.sh
source "$packaging/../qemu/arch.sh"
# shellcheck source=qemu/kernel-checks.sh
source "$packaging/../qemu/kernel-checks.sh"

release=${1:-$(uname -r)}
series=$(grep -oE '^[0-9]+\.[0-9]+' <<<"$release" || true)
headers=/lib/modules/$release/build
kdirs=${UMCG_KDIRS:-/var/cache/umcg}

# All that decides what is in the folder.
key()
{
	{
		sha256sum <"$headers/.config"
		sha256sum <"$headers/Module.symvers"
		dpkg-query -W "linux-source-$series"
		cat "$repository"/qemu/{kernel-dir.sh,adapt-kernel-dir.sh,check-symvers}
	} | key_of_stdin
}

unpack()
{
	mkdir -p "$folder/source"
	tar -C "$folder/source" --strip-components=1 -xf "/usr/src/linux-source-$series.tar.xz"
	cp "$headers/.config" "$folder/config"
	cp "$headers/Module.symvers" "$folder/"
}

# The kernel's Makefile finds the tools by their usual names.
link_rust_tools()
{
	find_rust_tools "$headers/.config"
	mkdir "$folder/bin"
	ln -s "$(command -v "$rustc")" "$folder/bin/rustc"
	ln -s "$(command -v "$bindgen")" "$folder/bin/bindgen"
}

# Modules need headers, scripts and crates; the rest of the sources is more than a gigabyte.
drop_what_is_done()
{
	find "$folder/source" -mindepth 1 -maxdepth 1 -type d ! -name arch ! -name include \
		! -name rust ! -name scripts ! -name tools -exec rm -rf {} +
	find "$folder/source/arch" -mindepth 1 -maxdepth 1 -type d ! -name "$kernel_arch" -exec rm -rf {} +
}

# Folders of kernels that are gone go too, and what was made of other sources. Whatever else
# somebody has there is known by its name, and stays.
drop_others()
{
	local other kernel

	for other in "$kdirs"/*; do
		kernel=$(basename "${other%-*}")
		[[ $other =~ -[0-9a-f]{12}$ && $other != "$folder" ]] || continue
		[[ $kernel == "$release" || ! -e /lib/modules/$kernel ]] || continue
		rm -rf --one-file-system "$other"
	done
}

make_folder()
{
	drop_others
	rm -rf --one-file-system "$folder"
	unpack
	link_rust_tools
	PATH=$folder/bin:$PATH "$repository/qemu/adapt-kernel-dir.sh" "$folder" "$release"
	drop_what_is_done
	touch "$folder/whole"
}

reason=$("$packaging/doctor.sh" "$release") || die "${reason#no: }"
if [[ -e $headers/rust/libkernel.rmeta ]]; then
	echo "$headers"
	exit
fi

mkdir -p "$kdirs"
exec 9>"$kdirs/.lock"
flock 9
folder=$kdirs/$release-$(key)
[[ -e $folder/whole ]] || make_folder >&2
echo "$folder/build"
