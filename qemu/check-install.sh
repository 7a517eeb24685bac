#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-install.sh: installs the Debian packages in a Debian 13 with systemd, booted in
# QEMU, uses them, and removes them: packaging/guest-install.sh runs there. Then boots it to run
# programs of Debian under umcg-run, guest-programs.sh; and by Secure Boot, to load the module as
# `make sign` has signed it, guest-secure-boot.sh. "packages", "programs" or "secure_boot" selects one
# of these, ONLY=PATTERN the tests by their names, besides the first one. The last line has the
# totals.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"
# shellcheck source=qemu/arch.sh
source "$here/arch.sh"

[[ $arch == amd64 ]] || die "the packages are tested on amd64 only"

out=$repository/out
build=$repository/build/install
limit=${BOOT_TIMEOUT:-2400}
passed=0
failed=0

# What the guest gets as its second disk: the test NAME and what it works on.
pack_test()
{
	local name=$1
	shift

	rm -rf "$build/test"
	mkdir -p "$build/test"
	cp "$repository/packaging/guest-$name.sh" "$build/test/run"
	cp "$repository/packaging/guest-check.sh" "$here/log-patterns" "$@" "$build/test/"
	echo "${ONLY:-*}" >"$build/test/only"
	tar -C "$build/test" -cf "$build/test.tar" .
}

# start_guest OPTION...: what the guest writes to its disk is thrown away.
start_guest()
{
	local accelerator=(-accel "tcg,thread=single" -cpu max)

	! kvm_works || accelerator=(-accel kvm -cpu host)
	"$here/in-root.sh" timeout --kill-after=5 "$limit" qemu-system-x86_64 "${accelerator[@]}" \
		-smp 2 -m 2G -nodefaults -no-user-config -display none -no-reboot \
		-kernel "$disk/vmlinuz" -initrd "$disk/initrd.img" \
		-append "root=/dev/vda rw console=ttyS0 loglevel=5 panic=-1 systemd.default_device_timeout_sec=300" \
		-serial "file:$console" \
		-drive "file=$disk/disk,format=raw,if=virtio,snapshot=on" \
		-drive "file=$build/test.tar,format=raw,if=virtio,readonly=on" \
		-device virtio-rng-pci \
		-device virtio-serial-pci \
		-chardev "file,id=results,path=$results" \
		-device virtserialport,chardev=results,name=umcg.results "$@" &
	guest_pid=$!
}

count_results()
{
	passed=$((passed + $(grep -c '^ok ' "$results" || true)))
	failed=$((failed + $(grep -c '^not ok ' "$results" || true)))
	if [[ $(tail -n 1 "$results") != "# end of results" ]]; then
		failed=$((failed + 1))
		echo "not ok the guest did not finish (status $1), last output at" \
			"${console#"$repository"/}:$(wc -l <"$console"): $(tail -n 1 "$console")"
	fi
}

# run_guest NAME OPTION...: boots the guest for the test that is packed.
run_guest()
{
	local name=$1 status=0
	shift

	results=$out/$name-results.txt
	console=$out/$name-console.log
	mkdir -p "$out"
	truncate --size 0 "$results" "$console"
	start_guest "$@"
	tail -n +1 -s 0.5 --pid="$guest_pid" -f "$results" | sed -u '/^# end of results/d'
	wait "$guest_pid" || status=$?
	count_results "$status"
}

check_packages()
{
	mapfile -t debs < <(find "$repository/build/deb" -name '*.deb' ! -name '*-dbgsym_*')
	pack_test install "${debs[@]}"
	say "booting a Debian 13 with $release"
	run_guest install
}

# On the host, as in the guest the Java compiler would take a minute.
compile_programs()
{
	"$here/in-root.sh" gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror -pthread -o "$build/crowd" "$programs/crowd.c"
	"$here/in-root.sh" rustc --edition 2021 -D warnings -O -o "$build/work" "$programs/work.rs"
	"$here/install-root.sh" "$release" --compile-java "$programs/Work.java" "$build/classes"
}

check_programs()
{
	local programs=$repository/run/programs debs=("$repository"/build/deb/umcg-tools_*.deb)

	make -s -C "$repository" modules >&2
	compile_programs
	pack_test programs "${debs[@]}" "$repository/build/module/umcg.ko" "$programs"/{work.mjs,terminal.py} \
		"$build"/{crowd,work,classes/*.class} "$repository"/packaging/{60-umcg.rules,umcg.sysusers} \
		"$repository"/{Documentation/try.rst,bench/run/programs/accounts.lua}
	say "booting it to run programs"
	run_guest programs
}

# A module without a signature, one that the key has signed which the firmware knows, and
# one by a key of nobody.
sign_modules()
{
	local module=$repository/build/module/umcg.ko

	make -s -C "$repository" modules >&2
	cp "$module" "$build/unsigned.ko"
	"$here/in-root.sh" make -s -C "$repository" KDIR="$kdir" sign KEY="$disk/firmware/key.priv" \
		CERT="$disk/firmware/key.der" >&2
	mv "$module" "$build/signed.ko"
	cp "$build/unsigned.ko" "$module"
	cp "$build/unsigned.ko" "$build/strange.ko"
	"$repository/packaging/sign.sh" "$kdir" "$build/strange.ko" "$disk/firmware/strange.priv" \
		"$disk/firmware/strange.der" >&2
}

# The firmware does not look at the kernel itself, for QEMU changes its header.
check_secure_boot()
{
	sign_modules
	pack_test secure-boot "$build"/{unsigned,signed,strange}.ko
	say "booting it by Secure Boot"
	run_guest secure-boot -machine q35,smm=on \
		-global driver=cfi.pflash01,property=secure,value=on -global ICH9-LPC.disable_s3=1 \
		-drive "if=pflash,unit=0,format=raw,readonly=on,file=$disk/firmware/code.fd" \
		-drive "if=pflash,unit=1,format=raw,snapshot=on,file=$disk/firmware/variables.fd"
}

kdir=$("$here/kernel.sh")
release=$(<"$kdir/include/config/kernel.release")
make -s -C "$repository" deb >&2
disk=$("$here/install-root.sh" "$release")
find_cache
mkdir -p "$build"
for part in ${1:-packages programs secure_boot}; do
	"check_$part"
done
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0 && passed > 0))
