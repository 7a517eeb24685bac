# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Distributions that are not here, for check-scripts.sh: what packaging/doctor.sh reads of them,
# a kernel's headers and programs that tell their version and do nothing else. Source it after
# lib.sh; $work is a folder for it.

# What the scripts run besides; a fake system has no other programs.
readonly real_programs=(awk basename bash bc bison cat cut dirname echo env flex grep head make mkdir
	nproc python3 realpath rm sed sort tail tr uname wc xz)

# fake_program NAME TEXT: a program that prints the text.
fake_program()
{
	printf '#!/bin/sh\necho "%s"\n' "$2" >"$system/bin/$1"
	chmod 755 "$system/bin/$1"
}

# fake_system ID RELEASE: makes one, in $system: a distribution of that name whose kernel RELEASE
# has the module's requirements, with $rustc_text and $bindgen_text of its configuration.
fake_system()
{
	local name

	release=$2
	system=$work/system
	headers=$system/lib/modules/$release/build
	rustc_text=${rustc_text:-"rustc 1.93.1 (01f6ddf75 2026-02-11)"}
	bindgen_text=${bindgen_text:-"bindgen 0.72.1"}
	rm -rf "$system"
	mkdir -p "$system"/{bin,etc} "$headers"/{include/config,rust}
	for name in "${real_programs[@]}"; do
		# Where one is not needed for a test it may not be here.
		! type -P "$name" >/dev/null || ln -s "$(type -P "$name")" "$system/bin/$name"
	done
	for name in make flex bison bc python3 xz; do
		[[ -e $system/bin/$name ]] || fake_program "$name" "$name"
	done
	echo "ID=$1" >"$system/etc/os-release"
	touch "$headers/rust/libkernel.rmeta"
	printf '0x1234abcd\t%s\tvmlinux\tEXPORT_SYMBOL_GPL\t\n' \
		__tracepoint_sched_entry_tp preempt_notifier_register >"$headers/Module.symvers"
	fake_config
}

# fake_config LINE...: the headers' configuration, with these lines more.
fake_config()
{
	printf '%s\n' CONFIG_{RUST,PREEMPT_NOTIFIERS,TRACEPOINTS}=y \
		"CONFIG_RUSTC_VERSION_TEXT=\"$rustc_text\"" \
		"CONFIG_BINDGEN_VERSION_TEXT=\"$bindgen_text\"" "$@" >"$headers/.config"
	cp "$headers/.config" "$headers/include/config/auto.conf"
}

# The tools that the kernel was built with, under these names.
fake_tools()
{
	fake_program "$1" "$rustc_text"
	fake_program "$2" "$bindgen_text"
}

# in_fake_system SCRIPT ARGUMENT...
in_fake_system()
{
	PATH=$system/bin UMCG_SYSTEM=$system RUSTC='' BINDGEN='' bash "$@"
}

# doctor_says ANSWER: its one line has that in it.
doctor_says()
{
	local answer

	answer=$(in_fake_system packaging/doctor.sh "$release") || true
	echo "$answer"
	[[ $(wc -l <<<"$answer") == 1 && $answer == *"$1"* ]]
}
