# SPDX-License-Identifier: GPL-2.0
#
# `make help` says what there is. The module itself is described in Kbuild.

# kbuild refuses such a path as well; here it would end in errors that do not say why.
ifneq ($(words $(subst :, ,$(CURDIR))),1)
$(error cannot build in a folder whose path has a space or a colon: $(CURDIR))
endif

MAKEFLAGS += --no-print-directory
unexport CDPATH

# ARCH=arm64 on an amd64 machine, or the other way round: see qemu/arch.sh; UMCG_SUITE=sid: see
# qemu/suite.sh. What they build has a folder of its own.
variant := $(if $(ARCH)$(UMCG_SUITE),$(shell ARCH='$(ARCH)' UMCG_SUITE='$(UMCG_SUITE)' \
	bash -c '. qemu/lib.sh && . qemu/arch.sh && . qemu/suite.sh && echo $$variant'))
build := $(CURDIR)/build$(variant:%/=/%)
jobs  := -j$(shell nproc)
quiet := $(if $(V),,-s)

# With KDIR= this machine's tools build everything, else those of the build
# root, which is made when it is first needed.
ifdef KDIR
kdir    := $(KDIR)
in_root :=
# A kernel that clang has built takes modules of clang only.
llvm    := $(if $(shell grep -s '^CONFIG_CC_IS_CLANG=y' $(KDIR)/include/config/auto.conf),LLVM=1)
# Where rustc and bindgen of the kernel have a number in their names.
rust_tools = $(shell qemu/rust-tools.sh $(KDIR))
# The folder of a debug kernel says which one it is.
kind    := $(shell cat $(dir $(KDIR:%/=%))kind 2>/dev/null)
else
kdir     = $$(qemu/kernel.sh)
in_root := qemu/in-root.sh
endif

module := $(build)/module$(kind:%=-%)

# As on a kernel that does not export task_work_add(): see Kbuild.
own_task_work := $(if $(UMCG_OWN_TASK_WORK),UMCG_OWN_TASK_WORK=1)

.PHONY: modules
modules:
# What was built for another kernel is no good.
ifdef KDIR
	@qemu/check-kdir.sh $(KDIR)
	@grep -qsxF '$(KDIR)' $(module)/kdir || rm -rf $(module)
	@mkdir -p $(module)
	@echo '$(KDIR)' >$(module)/kdir
	$(MAKE) $(jobs) -C $(KDIR) $(llvm) $(rust_tools) M=$(CURDIR) MO=$(module) modules
else
	@kdir=$(kdir) && $(in_root) make KDIR="$$kdir" $(own_task_work) modules
endif

# Any Rust module, for the same kernel: a copy of the folder M is built, which may be anywhere.
M := examples/rust_module
rust_module := $(build)/rust_module$(kind:%=-%)
.PHONY: rust-module
rust-module:
ifdef KDIR
	@qemu/check-kdir.sh $(KDIR)
	@$(MAKE) $(quiet) $(jobs) -C $(KDIR) $(llvm) $(rust_tools) M=$(rust_module) modules
else
	@[ -e '$(M)/Kbuild' ] || [ -e '$(M)/Makefile' ] || \
		{ echo "error: M=$(M) is no folder of a module: it has no Kbuild" >&2; exit 1; }
	@kdir=$(kdir) && kind=$$(cat "$$(dirname "$$kdir")/kind" 2>/dev/null || true) && \
		folder=$(build)/rust_module$${kind:+-$$kind} && rm -rf "$$folder" && \
		mkdir -p "$$folder" && cp -r '$(M)'/. "$$folder" && \
		$(in_root) make KDIR="$$kdir" rust-module && \
		for file in "$$folder"/*.ko; do echo "$${file#$(CURDIR)/}"; done
endif

.PHONY: help
help:
	@cat qemu/help

# That of the running kernel, if it can take Rust modules, else of the one for the tests.
.PHONY: kdir
kdir: export KERNEL_RELEASE ?= $(shell grep -qs '^CONFIG_RUST=y' /boot/config-$$(uname -r) && uname -r)
kdir:
	@qemu/kernel.sh

.PHONY: update
update:
	@qemu/kernel.sh --update

.PHONY: demo
demo: modules examples runner
	@kdir=$(kdir) && qemu/in-root.sh qemu/boot.sh "$$kdir" demo

.PHONY: check
check:
	@qemu/check.sh "$(T)"

# The tests in the guest again, on a kernel that watches the module.
.PHONY: check-debug
check-debug:
	@KERNEL=debug qemu/check.sh "$(T)"

# And on one that finds data races.
.PHONY: check-kcsan
check-kcsan:
	@KERNEL=kcsan qemu/check.sh "$(T)"

# A few tests on each other kernel of qemu/tested-kernels; what UMCG_CHECK_SECONDS= leaves no
# time for is said to be skipped.
.PHONY: check-flavours
check-flavours:
	@qemu/check-flavours.sh "$(T)"

# Builds for the newest kernel of each suite, and says in one line each what breaks.
.PHONY: canary
canary:
	@qemu/canary.sh $(UMCG_SUITE)

# The randomised test for as long as one likes; UMCG_SEED= begins as another run did.
guest_environment = UMCG_SECONDS=$(UMCG_SECONDS) UMCG_SEED=$(UMCG_SEED)
.PHONY: soak
soak: UMCG_SECONDS = 600
soak:
	@$(guest_environment) qemu/check.sh 'random.*'

# Hostile programs, until they have thrown so many system calls at the module; UMCG_SECONDS=
# is how long that may take.
.PHONY: fuzz
fuzz: UMCG_OPERATIONS = 20000000
fuzz: UMCG_SECONDS = 14400
fuzz:
	@$(guest_environment) UMCG_OPERATIONS=$(UMCG_OPERATIONS) qemu/check.sh 'fuzz.*'

# Kills at random moments, and the module unloaded and loaded among its users.
.PHONY: storm
storm: UMCG_KILLS = 10000
storm: UMCG_LOADS = 200
storm: UMCG_SECONDS = 7200
storm:
	@$(guest_environment) UMCG_KILLS=$(UMCG_KILLS) UMCG_LOADS=$(UMCG_LOADS) \
		qemu/check.sh 'storm.*'

.PHONY: benchmarks
benchmarks:
	@$(in_root) make $(quiet) $(jobs) -C bench O=$(build)/bench

# One boot counts instructions, a second one takes the time. With T= only some rows
# are counted, and the files of the last whole run stay as they are.
boot_bench = qemu/in-root.sh qemu/boot.sh "$$kdir" $(1) "$(T)" >&2
.PHONY: bench
bench: modules benchmarks runner
	@kdir=$(kdir) && $(call boot_bench,instructions)
ifndef T
	@kdir=$(kdir) && $(call boot_bench,time)
endif
	@qemu/in-root.sh bench/report.py out/$(variant)bench-instructions.txt \
		$(if $(T),,out/$(variant)bench-time.txt)

# What unmodified programs gain or lose under umcg-run, and runtimes in groups; with T= only some
# rows.
.PHONY: workloads workloads-check bench-run
workloads:
	@$(in_root) make $(quiet) $(jobs) -C bench/run O=$(build)/bench-run
workloads-check:
	@$(in_root) make $(quiet) -C bench/run check O=$(build)/bench-run

bench-run: modules workloads run runtimes runner
	@qemu/programs-root.sh >/dev/null
	@kdir=$(kdir) && $(call boot_bench,run)
	@$(build)/bench-run/bench-run report out/bench-run.txt $(if $(T),,out)

# The picture of the README, of the last run.
.PHONY: bench-run-picture
bench-run-picture: workloads
	@$(build)/bench-run/bench-run picture out/bench-run.txt spin >out/spin.svg
	@cp out/spin.svg Documentation/images/

# Where the instructions of one row go, by functions.
ROW := server_swap
.PHONY: profile
profile: modules benchmarks runner
	@$(in_root) make $(quiet) -C bench O=$(build)/bench plugin
	@kdir=$(kdir) && qemu/in-root.sh qemu/boot.sh "$$kdir" profile "$(ROW)" >&2
	@qemu/in-root.sh bench/profile.py out $(build)/bench $(ROW)

# That no store on a hot path goes to a cache line that two groups share.
.PHONY: sharing
sharing: modules benchmarks runner
	@$(in_root) make $(quiet) -C bench O=$(build)/bench plugin
	@kdir=$(kdir) && qemu/in-root.sh qemu/boot.sh "$$kdir" stores >&2
	@qemu/in-root.sh bench/sharing.py out

.PHONY: bench-compare
bench-compare:
	@qemu/in-root.sh bench/compare.py bench/baseline.json out/bench.json

.PHONY: lib
lib:
	@$(in_root) make $(quiet) $(jobs) -C lib O=$(build)/lib

.PHONY: lib-check
lib-check:
	@$(in_root) make $(quiet) -C lib check lint O=$(build)/lib

# The crate: its tests for the guest, its examples with Tokio and rayon, which are such tests as
# well, and those that need no module.
.PHONY: crate crate-check runtimes
runtimes:
	@$(in_root) make $(quiet) -C lib/rust runtimes O=$(build)/crate
crate:
	@$(in_root) make $(quiet) -C lib/rust O=$(build)/crate
crate-check:
	@$(in_root) make $(quiet) -C lib/rust check O=$(build)/crate

# umcg-run and the library that it preloads.
.PHONY: run run-guest run-check
run-guest:
	@$(in_root) make $(quiet) -C run guest O=$(build)/run
run:
	@$(in_root) make $(quiet) -C run O=$(build)/run
run-check:
	@$(in_root) make $(quiet) -C run check O=$(build)/run

.PHONY: examples
examples:
	@$(in_root) make $(quiet) $(jobs) -C examples O=$(build)/examples

.PHONY: tools
tools:
	@$(in_root) make $(quiet) -C tools O=$(build)/tools

.PHONY: tools-check
tools-check:
	@$(in_root) make $(quiet) -C tools check O=$(build)/tools

# Debian has no trace processor of Perfetto. What follows the names of the columns is a fault.
TRACE := out/umcg-trace.json
.PHONY: perfetto-check
perfetto-check:
	@faults=$$($(TRACE_PROCESSOR) -q tools/perfetto.sql $(TRACE)) && echo "$$faults" && \
		[ "$$faults" = '"fault","times"' ]

.PHONY: selftests
selftests:
	@kdir=$(kdir) && $(in_root) make $(quiet) $(jobs) -C selftests O=$(build)/selftests \
		KSRC="$$(realpath "$$kdir/source")"

# What tests load beside the module.
test_modules := $(build)/test_modules$(kind:%=-%)
.PHONY: test-modules
test-modules:
ifdef KDIR
	@qemu/check-kdir.sh $(KDIR)
	@grep -qsxF '$(KDIR)' $(test_modules)/kdir || rm -rf $(test_modules)
	@mkdir -p $(test_modules)
	@echo '$(KDIR)' >$(test_modules)/kdir
	@$(MAKE) $(quiet) -C $(KDIR) $(llvm) M=$(CURDIR)/selftests/kernel MO=$(test_modules) modules
else
	@kdir=$(kdir) && $(in_root) make KDIR="$$kdir" test-modules
endif

.PHONY: host-test
host-test:
	@$(in_root) make -C selftests/host O=$(build)/host

# That safe code cannot misuse sys/: the compiler refuses programs that try to.
.PHONY: misuse
misuse: modules
	@$(in_root) selftests/misuse/check.py $(build)/module $(build)/module/umcg_bindings.rs \
		$(build)/misuse

.PHONY: model
model:
	@$(in_root) make -C selftests/loom O=$(build)/loom
	@$(in_root) make $(jobs) -C selftests/model O=$(build)/spin

.PHONY: runner
runner:
	@qemu/in-root.sh make $(quiet) $(jobs) -C qemu/runner O=$(build)/qemu

rust_files = $(shell find . -name '*.rs' -not -path './build/*')

.PHONY: rustfmt
rustfmt:
	@$(in_root) rustfmt $(rust_files)

.PHONY: rustfmtcheck
rustfmtcheck:
	@$(in_root) rustfmt --check $(rust_files)

# Does a file use one that is above it? qemu/layers is the table.
.PHONY: layers
layers:
	@$(in_root) qemu/check-layers.py

# Clippy builds with other options than the module has, so it builds elsewhere.
.PHONY: clippy
clippy:
ifdef KDIR
	@qemu/check-kdir.sh $(KDIR)
	@rm -rf $(build)/clippy
	@mkdir -p $(build)/clippy
	$(MAKE) $(jobs) -C $(KDIR) M=$(CURDIR) MO=$(build)/clippy $(llvm) CLIPPY=1 W=e modules
else
	@kdir=$(kdir) && $(in_root) make KDIR="$$kdir" clippy
endif

# The documentation, into build/doc: the chapters, the module's sources, the manual.
.PHONY: htmldocs man-check
htmldocs:
	@$(in_root) make $(quiet) -C Documentation html O=$(build)/doc
man-check:
	@$(in_root) make $(quiet) -C Documentation man-check O=$(build)/doc

.PHONY: tutorial tutorial-rust
tutorial:
	@$(in_root) make $(quiet) -C Documentation tutorial O=$(build)/doc
tutorial-rust:
	@$(in_root) make $(quiet) -C lib/rust tutorial O=$(build)/crate

.PHONY: rustdoc
rustdoc: modules
	@$(in_root) Documentation/rustdoc.sh $(build)/module $(build)/doc/rust

# Everything is built and laid out in build/stage first, in the build root where that is
# used; install.sh copies it. The kernel is the running one, if no other is named.
PREFIX := /usr/local
stage  := $(build)/stage
listed := $(PREFIX)/share/umcg/installed-files
programs := $(addprefix $(build)/,tools/umcgtop tools/umcg-trace run/umcg-run)

.PHONY: stage install uninstall
stage: modules lib tools run
ifdef KDIR
	@rm -rf $(stage)
	@$(MAKE) -s -C $(KDIR) M=$(CURDIR) MO=$(build)/module modules_install \
		INSTALL_MOD_PATH=$(stage) INSTALL_MOD_DIR=updates \
		cmd_depmod=: CONFIG_MODULE_SIG_ALL=
	@$(MAKE) -s -C lib install O=$(build)/lib DESTDIR=$(stage) PREFIX=$(PREFIX)
	@$(MAKE) -s -C Documentation install-man DESTDIR=$(stage) PREFIX=$(PREFIX)
	@install -D -m 755 $(programs) -t $(stage)$(PREFIX)/bin
	@install -D -m 644 $(build)/run/libumcg_run.so -t $(stage)$(PREFIX)/lib/umcg
	@install -D -m 644 packaging/60-umcg.rules -t $(stage)/etc/udev/rules.d
	@install -D -m 644 packaging/umcg.sysusers $(stage)/etc/sysusers.d/umcg.conf
	@chmod -R u=rwX,go=rX $(stage)
else
	@kdir=$(kdir) && $(in_root) make KDIR="$$kdir" PREFIX=$(PREFIX) stage
endif

install sign: export KERNEL_RELEASE ?= $(shell uname -r)
install: stage
	@packaging/install.sh $(stage) $(listed)

uninstall:
	@packaging/install.sh --remove $(listed)

# The Debian packages, into build/deb.
.PHONY: deb
deb:
	@$(in_root) packaging/deb.sh $(build)/deb

.PHONY: check-install
check-install:
	@qemu/check-install.sh $(T)

# Can this machine build the module for its own kernel, or for KERNEL_RELEASE?
.PHONY: doctor
doctor:
	@packaging/doctor.sh $(if $(KDIR),,--build-root) $(KERNEL_RELEASE)

# For Secure Boot: with a key that the machine trusts, see Documentation/install.rst.
.PHONY: sign
sign: modules
	@kdir=$(kdir) && packaging/sign.sh "$$kdir" $(build)/module/umcg.ko "$(KEY)" "$(CERT)"

# Rust's own sources lie in the build root, if that is used.
.PHONY: rust-analyzer
rust-analyzer: modules
	@kdir=$(kdir) && $(in_root) make $(quiet) -C "$$kdir" M=$(CURDIR) \
		MO=$(build)/module rust-analyzer
	@$(in_root) qemu/rust-project.py $(build)/module \
		$(if $(KDIR),,"$$(qemu/buildroot.sh)") <$(build)/module/rust-project.json >rust-project.json

.PHONY: clean
clean:
	rm -rf build out

.PHONY: distclean
distclean: clean
	rm -f rust-project.json

.PHONY: cache-clean
cache-clean:
	@qemu/cache-clean.sh
