# SPDX-License-Identifier: GPL-2.0
#
# `make help` says what there is. The module itself is described in Kbuild.

MAKEFLAGS += --no-print-directory

build := $(CURDIR)/build
jobs  := -j$(shell nproc)
quiet := $(if $(V),,-s)

# With KDIR= this machine's tools build everything, else those of the build
# root, which is made when it is first needed.
ifdef KDIR
kdir    := $(KDIR)
in_root :=
else
kdir     = $$(qemu/kernel.sh)
in_root := qemu/in-root.sh
endif

.PHONY: modules
modules:
ifdef KDIR
	@qemu/check-kdir.sh $(KDIR)
	@mkdir -p $(build)/module
	$(MAKE) $(jobs) -C $(KDIR) M=$(CURDIR) MO=$(build)/module modules
else
	@kdir=$(kdir) && $(in_root) make KDIR="$$kdir" modules
endif

.PHONY: help
help:
	@cat qemu/help

.PHONY: kdir
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

.PHONY: lib
lib:
	@$(in_root) make $(quiet) $(jobs) -C lib O=$(build)/lib

.PHONY: lib-check
lib-check:
	@$(in_root) make -C lib check O=$(build)/lib

.PHONY: examples
examples:
	@$(in_root) make $(quiet) $(jobs) -C examples O=$(build)/examples

.PHONY: selftests
selftests:
	@kdir=$(kdir) && $(in_root) make $(quiet) $(jobs) -C selftests O=$(build)/selftests \
		KSRC="$$(realpath "$$kdir/source")"

.PHONY: host-test
host-test:
	@$(in_root) make -C selftests/host O=$(build)/host

.PHONY: model
model:
	@$(in_root) make -C selftests/loom O=$(build)/loom

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

# Clippy builds with other options than the module has, so it builds elsewhere.
.PHONY: clippy
clippy:
ifdef KDIR
	@qemu/check-kdir.sh $(KDIR)
	@rm -rf $(build)/clippy
	@mkdir -p $(build)/clippy
	$(MAKE) $(jobs) -C $(KDIR) M=$(CURDIR) MO=$(build)/clippy CLIPPY=1 W=e modules
else
	@kdir=$(kdir) && $(in_root) make KDIR="$$kdir" clippy
endif

.PHONY: clean
clean:
	rm -rf build out

.PHONY: distclean
distclean: clean
	rm -f rust-project.json

.PHONY: cache-clean
cache-clean:
	@qemu/cache-clean.sh
