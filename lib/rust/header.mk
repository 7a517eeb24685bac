# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# The header of the ABI in Rust, for tests: its names, and the numbers of the calls, which are no
# plain constants. `out` is the folder of what is built.

BINDGEN ?= bindgen

top      := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/../..)
bindings := $(out)/header.rs

$(bindings): $(top)/include/uapi/linux/umcg.h $(top)/sys/helpers.h
	@mkdir -p $(@D)
	$(BINDGEN) $(top)/sys/helpers.h --use-core --no-layout-tests --no-doc-comments \
		--rust-target 1.85 --allowlist-file '.*/linux/umcg\.h' \
		--allowlist-type umcg_command -o $@ -- -I$(top)/include/uapi -D__BINDGEN__
