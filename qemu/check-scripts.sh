#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-scripts.sh: scripts and makefiles do the same in any environment: with CDPATH, with a
# mask that keeps others out, in a folder with an odd name, on another distribution. Prints lines
# of "ok" and "not ok".
set -euo pipefail
# shellcheck source=qemu/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=qemu/fake-system.sh
source "$(dirname "$0")/fake-system.sh"

cd "$repository"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check NAME COMMAND...: one test; what the command prints is shown if it fails.
check()
{
	local name=$1 status
	shift

	# Not as part of a condition: there, the shell would go on after a failure.
	set +e
	(
		set -e
		"$@"
	) >"$work/log" 2>&1
	status=$?
	set -e
	if ((status == 0)); then
		echo "ok $name"
		return
	fi
	failed=$((failed + 1))
	sed 's/^/# /' "$work/log"
	echo "not ok $name"
}

scripts()
{
	find . -name .git -prune -o -path ./build -prune -o -path ./out -prune -o \
		-type f \( -name '*.sh' -o -name Makefile -o -path './.ci/*' \) -print
}

# With CDPATH, cd prints where it goes: realpath says the same, always.
nobody_captures_cd()
{
	local files

	mapfile -t files < <(scripts)
	! grep -nE '(\$\(|<\(|`)[[:space:]]*cd[[:space:]]' "${files[@]}"
}

# One that has sourced lib.sh has no CDPATH; any other names an absolute path, or "$out" or
# "$built", which are.
cd_goes_to_one_place()
{
	local files

	mapfile -t files < <(scripts | xargs grep -L '^source .*/lib\.sh"')
	! grep -nE '^[^#]*\<cd [^/]' "${files[@]}" | grep -vE 'cd "\$(\(realpath |out"|built")'
}

# $1: CDPATH
doctor_with()
{
	CDPATH=$1 bash packaging/doctor.sh --build-root 2>&1 || true
}

doctor_ignores_cdpath()
{
	diff <(doctor_with '') <(doctor_with .)
	mkdir -p "$work/elsewhere/packaging"
	diff <(doctor_with '') <(doctor_with "$work/elsewhere")
}

# Everything below $1 can be read by all, and written by its owner only.
all_can_read()
{
	! find "$1" ! -type l \( -type d ! -perm 755 -o -type f ! -perm 644 ! -perm 755 \) \
		-printf '%m %p\n' | grep .
}

install_leaves_nobody_out()
{
	local stage=$work/stage

	umask 077
	mkdir -p "$stage/usr/lib/deep"
	echo >"$stage/usr/lib/deep/file"
	chmod 644 "$stage/usr/lib/deep/file"
	mkdir -m 755 "$work/target"
	DESTDIR=$work/target packaging/install.sh "$stage" /usr/share/umcg/installed-files
	all_can_read "$work/target"
}

man_pages_are_for_all()
{
	umask 077
	mkdir -m 755 "$work/man"
	Documentation/man/install.sh "$work/man"
	all_can_read "$work/man"
}

# refuses FOLDER MAKEFILE: in a folder of that name.
refuses()
{
	local folder=$work/$1

	mkdir -p "$folder"
	cp "$2" "$folder/Makefile"
	! make -C "$folder" >"$work/output" 2>&1
	grep 'cannot build in a folder whose path has a space or a colon' "$work/output"
}

doctor_on_arch()
{
	local installed="(pacman -S rust-bindgen)"

	fake_system arch 7.2.5-arch1-1
	doctor_says "no: rustc is not installed (pacman -S rust)"
	fake_tools rustc bindgen
	doctor_says "yes: the module can be built here for kernel 7.2.5-arch1-1"
	fake_program rustc "rustc 1.94.0 (4a4ef493e 2026-03-02)"
	doctor_says "needs '$rustc_text', rustc here is 'rustc 1.94.0 (4a4ef493e 2026-03-02)'; that very one is needed (pacman -S rust)"
	fake_program rustc "$rustc_text"
	fake_program bindgen "bindgen 0.73.1"
	doctor_says "no: bindgen here is bindgen 0.73.1, which lays out structures wrongly (rust-bindgen issue 3406) $installed"
	bindgen_text="bindgen 0.73.1"
	fake_config
	doctor_says "no: kernel 7.2.5-arch1-1 was built with bindgen 0.73.1"
	rm -r "$headers"
	doctor_says "headers of kernel 7.2.5-arch1-1 are not installed (pacman -S linux-headers)"
	fake_system arch 7.2.5-zen1-1-zen
	rm -r "$headers"
	doctor_says "are not installed (pacman -S linux-zen-headers)"
}

doctor_on_fedora()
{
	fake_system fedora 7.2.5-200.fc44.x86_64
	fake_program rustc "rustc 1.94.0 (4a4ef493e 2026-03-02) (Fedora 1.94.0-1.fc44)"
	doctor_says "no: bindgen is not installed (dnf install bindgen-cli)"
	fake_program bindgen "$bindgen_text"
	doctor_says "that very one is needed (dnf install rust-1.93.1)"
	fake_tools rustc bindgen
	doctor_says "yes: "
	# Any good bindgen does where it makes no crates.
	fake_program bindgen "bindgen 0.71.1"
	doctor_says "yes: "
	rm "$headers/rust/libkernel.rmeta"
	doctor_says "no Rust crates (rust/libkernel.rmeta), and only for Debian's kernels they can be made again (dnf install kernel-devel-7.2.5-200.fc44.x86_64)"
	# A system that says what it is like only.
	printf 'ID=nobara\nID_LIKE="rhel fedora"\n' >"$system/etc/os-release"
	rm -r "$headers"
	doctor_says "are not installed (dnf install kernel-devel-7.2.5-200.fc44.x86_64)"
}

# Its tools have the number in their names, others may be there without one.
doctor_on_ubuntu()
{
	fake_system ubuntu 7.2.0-10-generic
	fake_program rustc "rustc 1.91.1 (built from a source tarball)"
	fake_program bindgen "bindgen 0.65.1"
	doctor_says "that very one is needed (apt install rustc-1.93)"
	fake_tools rustc-1.93 bindgen-0.72
	doctor_says "yes: "
	fake_config CONFIG_MODVERSIONS=y
	doctor_says "yes: "
	sed -i 's/^0x1234abcd/0x00000000/' "$headers/Module.symvers"
	doctor_says "has CONFIG_MODVERSIONS, and its Module.symvers has no versions"
	fake_config
	rm "$headers/rust/libkernel.rmeta"
	doctor_says "can be made again (apt install linux-lib-rust-7.2.0-10-generic)"
}

# That of backports is newer than the one that its kernels are built with.
doctor_on_debian()
{
	local rustc_text="rustc 1.85.1 (4eb161250 2025-03-15) (built from a source tarball)"

	fake_system debian 7.3.4+deb13-amd64
	fake_program rustc "rustc 1.96.1 (31fca3adb 2026-06-26) (built from a source tarball)"
	fake_program bindgen "$bindgen_text"
	doctor_says "that very one is needed (apt install 'rustc=1.85.1*' 'libstd-rust-dev=1.85.1*' 'rust-src=1.85.1*')"
	rm "$headers/rust/libkernel.rmeta"
	fake_program rustc "$rustc_text"
	fake_program bindgen "bindgen 0.71.0"
	doctor_says "needs 'bindgen 0.72.1', bindgen here is 'bindgen 0.71.0' (apt install bindgen)"
	rm -r "$headers"
	doctor_says "are not installed (apt install linux-headers-7.3.4+deb13-amd64)"
}

# From a copy: it builds into the folder that it is in.
kdir_builds_with_its_tools()
{
	local copy=$work/copy

	fake_system ubuntu 7.2.0-10-generic
	fake_program rustc "rustc 1.91.1 (built from a source tarball)"
	fake_program bindgen "bindgen 0.65.1"
	fake_tools rustc-1.93 bindgen-0.72
	printf 'modules:\n\t@echo built with $(RUSTC) $(BINDGEN)\n' >"$headers/Makefile"
	mkdir "$copy"
	cp -r Makefile qemu "$copy/"
	in_fake_system -c 'make -C "$1" KDIR="$2" modules' bash "$copy" "$headers" >"$work/output"
	cat "$work/output"
	grep 'built with rustc-1.93 bindgen-0.72' "$work/output"
	fake_tools rustc bindgen
	in_fake_system -c 'make -C "$1" KDIR="$2" modules' bash "$copy" "$headers" >"$work/output"
	cat "$work/output"
	grep -E 'built with *$' "$work/output"
}

# A mirror may be a snapshot, whose lists are older than they say they may be.
apt_of_the_root_takes_old_lists()
{
	local system=$work/host target=$work/build-root

	mkdir -p "$system/bin" "$target"
	fake_program apt-config 'Acquire::Check-Valid-Until \"false\";'
	PATH=$system/bin:$PATH qemu/host-apt.sh settings "$target"
	grep 'Check-Valid-Until "false"' "$target/etc/apt/apt.conf.d/80host"
}

# breaks_by TEXT LINE...: in a log of these lines it is that which breaks first.
breaks_by()
{
	local text=$1
	shift

	printf '%s\n' "$@" >"$work/build.log"
	qemu/canary.sh --what-breaks "$work/build.log"
	[[ $(qemu/canary.sh --what-breaks "$work/build.log") == "$text" ]]
}

canary_says_what_breaks()
{
	breaks_by 'error[E0425]: cannot find function `f` in module `mm` (sys/user.rs:7:9), and 2 more' \
		'  RUSTC [M] umcg_rs.o' 'error[E0425]: cannot find function `f` in module `mm`' \
		'  --> sys/user.rs:7:9' '   |' 'error: aborting due to 1 previous error' \
		'make[4]: *** [scripts/Makefile.build:1: umcg_rs.o] Error 1'
	breaks_by "sys/helpers.c:3:1: error: implicit declaration of function 'f'" \
		"sys/helpers.c:3:1: error: implicit declaration of function 'f'" '    3 | f();'
	breaks_by 'ERROR: modpost: "f" [umcg.ko] undefined!' 'ERROR: modpost: "f" [umcg.ko] undefined!'
	breaks_by 'waiting for a disk' 'waiting for a disk'
}

unknown_suite_is_refused()
{
	! UMCG_SUITE=potato qemu/buildroot.sh >"$work/output" 2>&1
	grep 'UMCG_SUITE=potato is not known' "$work/output"
}

check "scripts.nobody_captures_cd" nobody_captures_cd
check "scripts.cd_goes_to_one_place" cd_goes_to_one_place
check "scripts.doctor_ignores_CDPATH" doctor_ignores_cdpath
for distribution in arch fedora ubuntu debian; do
	check "scripts.doctor_on_$distribution" "doctor_on_$distribution"
done
check "scripts.KDIR_builds_with_its_own_tools" kdir_builds_with_its_tools
check "scripts.apt_of_the_build_root_takes_old_lists" apt_of_the_root_takes_old_lists
check "scripts.canary_says_what_breaks" canary_says_what_breaks
check "scripts.an_unknown_suite_is_refused" unknown_suite_is_refused
check "scripts.install_leaves_nobody_out" install_leaves_nobody_out
check "scripts.manual_pages_are_for_all" man_pages_are_for_all
for makefile in Makefile lib/Makefile; do
	check "scripts.a_path_with_a_space_is_refused: $makefile" refuses 'a b' "$makefile"
	check "scripts.a_path_with_a_colon_is_refused: $makefile" refuses 'a:b' "$makefile"
done
((failed == 0))
