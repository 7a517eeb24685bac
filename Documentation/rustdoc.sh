#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rustdoc.sh BUILT OUT: the documentation of the module's Rust sources as HTML, made
# with the very options that it was compiled with in BUILT. The kernel has rustdoc for
# its own crates only. A warning is an error.
set -euo pipefail

built=$(realpath "${1:?usage: rustdoc.sh BUILT OUT}")
out=$(realpath -m "${2:?usage: rustdoc.sh BUILT OUT}")
options=()

# What the compiler alone understands goes: where and how it writes the object.
read_options()
{
	local command word

	command=$(sed -n 's/^savedcmd_umcg_rs\.o := //p' "$built/.umcg_rs.o.cmd")
	eval "set -- $command"
	for word; do
		case $word in
		OBJTREE=* | RUST_MODFILE=*) export "${word?}" ;;
		rustc | --emit=* | --out-dir | ./) ;;
		*) options+=("$word") ;;
		esac
	done
}

# Comments name files of the kernel by links such as srctree/include/linux/sched.h.
point_to_kernel_sources()
{
	local tree=https://git.kernel.org/pub/scm/linux/kernel/git/stable/linux.git/tree

	find "$out" -name '*.html' -exec sed -i "s|href=\"srctree/|href=\"$tree/|g" {} +
}

read_options
mkdir -p "$out"
cd "$built"
export RUSTC_BOOTSTRAP=1 UMCG_BINDINGS=$built/umcg_bindings.rs
rustdoc "${options[@]}" -D warnings -A rustdoc::private_intra_doc_links \
	--document-private-items --crate-name umcg --output "$out"
point_to_kernel_sources
echo "$out/umcg/index.html"
