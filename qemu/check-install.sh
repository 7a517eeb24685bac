#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-install.sh: installs the Debian packages in a Debian 13 with systemd, booted in
# QEMU, uses them, and removes them. packaging/guest-test.sh is what runs there. The
# last line has the totals.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"

out=$repository/out
build=$repository/build/install
results=$out/install-results.txt
console=$out/install-console.log
limit=${BOOT_TIMEOUT:-2400}

# What the guest gets as its second disk: the test and what it works on.
pack_test()
{
	rm -rf "$build"
	mkdir -p "$build/test/debs"
	cp "$repository/packaging/guest-test.sh" "$build/test/run"
	cp "$here/log-patterns" "$build/test/"
	find "$repository/build/deb" -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$build/test/debs" {} +
	tar -C "$build/test" -cf "$build/test.tar" .
}

kvm_works()
{
	grep -qwE 'vmx|svm' /proc/cpuinfo && (: <>/dev/kvm) 2>/dev/null
}

# What the guest writes to its disk is thrown away.
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
		-device virtserialport,chardev=results,name=umcg.results &
	guest_pid=$!
}

print_totals()
{
	local passed failed

	passed=$(grep -c '^ok ' "$results" || true)
	failed=$(grep -c '^not ok ' "$results" || true)
	if [[ $(tail -n 1 "$results") != "# end of results" ]]; then
		failed=$((failed + 1))
		echo "not ok the guest did not come to its end (status $1), it stands at" \
			"${console#"$repository"/}:$(wc -l <"$console"): $(tail -n 1 "$console")"
	fi
	echo "$passed passed, $failed failed, 0 skipped"
	((failed == 0 && passed > 0))
}

kdir=$("$here/kernel.sh")
release=$(<"$kdir/include/config/kernel.release")
make -s -C "$repository" deb >&2
disk=$("$here/install-root.sh" "$release")
mkdir -p "$out"
truncate --size 0 "$results" "$console"
pack_test
find_cache
say "booting a Debian 13 with $release"
start_guest
tail -n +1 -s 0.5 --pid="$guest_pid" -f "$results" | sed -u '/^# end of results/d'
status=0
wait "$guest_pid" || status=$?
print_totals "$status"
