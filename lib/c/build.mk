# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# How the library is compiled: for its Makefile, and for that of its tests. `lib` is the folder of
# the former, `out` that of what is built, CC the compiler that links.

# Where Debian has the crates.
registry := /usr/share/cargo/registry

CARGO ?= cargo
RUSTC ?= rustc

# The machine is that of the compiler for C.
machine := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
target  := $(machine)-unknown-linux-gnu
builder := $(shell $(RUSTC) --version --verbose | sed -n 's/^host: //p')

rust_sources := $(wildcard $(addprefix $(lib)/,c/Cargo.toml c/src/*.rs c/src/*/*.rs \
		rust/src/atomic.rs rust/src/raw/*.rs rust/src/sys/*.rs))

# For another machine there is no core, so it is compiled. A stable compiler does that only if it is
# told to behave as the one that core is of. compiler_builtins is not needed, as libgcc is there.
ifneq ($(target),$(builder))
sysroot := $(out)/sysroot
core    := $(sysroot)/lib/rustlib/$(target)/lib
compile_core = RUSTC_BOOTSTRAP=1 $(RUSTC) --edition 2021 --crate-type rlib --target $(target) \
	--cap-lints allow -C panic=abort -C opt-level=3 --crate-name $(1) -o $(core)/lib$(1).rlib

$(core)/libcompiler_builtins.rlib:
	@mkdir -p $(core)
	$(call compile_core,core) "$$($(RUSTC) --print sysroot)/lib/rustlib/src/rust/library/core/src/lib.rs"
	printf '%s\n' '#![feature(compiler_builtins)]' '#![compiler_builtins]' '#![no_std]' | \
		$(call compile_core,compiler_builtins) --sysroot $(sysroot) -
sysroot_made := $(core)/libcompiler_builtins.rlib
sysroot_flag := --sysroot $(sysroot)
endif

# cargo writes its lock file beside the manifest that it is given, so that one is in the output
# folder. The versions are those that are installed.
# $(1): the subcommand, $(2): the name of what is built, $(3): flags for rustc.
define cargo
	@mkdir -p $(out)/$(2)
	rm -f $(out)/$(2)/Cargo.lock
	ln -srfn $(lib)/c/src $(out)/$(2)/src
	cp $(lib)/c/Cargo.toml $(out)/$(2)
	CARGO_HOME=$(out)/$(2)/cargo RUSTFLAGS='-D warnings $(sysroot_flag) $(3)' \
		$(CARGO) $(1) --offline --quiet --manifest-path $(out)/$(2)/Cargo.toml \
		--target $(target) --target-dir $(out)/$(2)/target \
		--config 'source.crates-io.replace-with = "debian"' \
		--config 'source.debian.directory = "$(registry)"'
endef

# What cargo has built, by the name of it.
built = $(out)/$(1)/target/$(target)/release/libumcg_c.a
