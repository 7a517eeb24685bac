#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# install-root.sh RELEASE: makes the disk of a Debian 13 with systemd and the kernel
# RELEASE of its archive, in which the packages of this project are installed, and
# prints the folder with disk, vmlinuz and initrd.img. It lives in the cache.
#
# The kernel folder that DKMS builds with is made here, by the script that DKMS calls:
# in a guest without KVM it would take an hour.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"

suite=trixie
disk_size=10G

list_packages()
{
	local release=$1

	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/install-packages"
	printf '%s\n' "linux-base/$suite-backports" "linux-image-$release" "linux-headers-$release" \
		"linux-source-$(grep -oE '^[0-9]+\.[0-9]+' <<<"$release")"
}

make_root()
{
	local root=$1 release=$2
	local mirror=${UMCG_MIRROR:-$("$here/host-apt.sh" mirror)}

	mmdebstrap --mode=root --variant=apt --format=directory \
		--setup-hook="'$here/buildroot.sh' --prepare-apt \"\$1\"" \
		--include="$(list_packages "$release" | paste -sd,)" "$suite" "$root" ${mirror:+"$mirror"}
	set_up_guest "$root"
}

# The guest runs what comes on its second disk, and tells of it on a port.
set_up_guest()
{
	local root=$1

	echo umcg-guest >"$root/etc/hostname"
	echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
	cat >"$root/etc/systemd/system/install-test.service" <<-'END'
		[Unit]
		Description=The test on the second disk
		After=multi-user.target systemd-udev-settle.service
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -c 'mkdir /var/tmp/test && tar -C /var/tmp/test -xf /dev/vdb && exec /var/tmp/test/run'
		StandardOutput=file:/dev/virtio-ports/umcg.results
		StandardError=journal+console
		ExecStopPost=/usr/bin/systemctl poweroff --no-block
		[Install]
		WantedBy=multi-user.target
	END
	chroot "$root" systemctl enable --quiet install-test.service
}

# in_guest_root COMMAND...: runs a command in it, with the repository at its own path.
in_guest_root()
{
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mkdir -p "$root$repository"
	mount --bind "$repository" "$root$repository"
	chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		LC_ALL=C.UTF-8 "$@"
	umount -R "$root$repository" "$root/dev" "$root/proc"
	rmdir --parents --ignore-fail-on-non-empty "$root$repository"
}

make_kernel_folder()
{
	in_guest_root "$repository/packaging/local-kdir.sh" "$release"
}

make_disk()
{
	local root=$1 folder=$2

	rm -rf "$folder"
	mkdir "$folder"
	cp "$root/boot/vmlinuz-$release" "$folder/vmlinuz"
	cp "$root/boot/initrd.img-$release" "$folder/initrd.img"
	truncate --size "$disk_size" "$folder/disk"
	mount --bind "$folder" "$root/media"
	mount --bind "$root" "$root/mnt"
	chroot "$root" mke2fs -q -t ext4 -d /mnt /media/disk
	umount "$root/mnt" "$root/media"
}

release=${1:?usage: install-root.sh RELEASE}
case $release in
--root) make_root "$2" "$3"; exit ;;
--kernel) root=$2 release=$3 make_kernel_folder; exit ;;
--disk) release=$4 make_disk "$2" "$3"; exit ;;
esac

find_cache
key=$({ list_packages "$release"; declare -f make_root set_up_guest; cat "$here/buildroot.sh"; } |
	key_of_stdin)
root=$cache/guest-$release-$key
disk_key=$(cat "$here/kernel-dir.sh" "$here/check-symvers" "$here/../packaging/local-kdir.sh" |
	key_of_stdin)
folder=$root-disk-$disk_key

make_step()
{
	run_step "$1" "$cache/guest.log" unshare --mount --propagation private "$here/install-root.sh" "${@:2}"
}

[[ $(id -u) == 0 ]] || die "this can be made by root only"
"$here/host-packages.sh"
[[ -e $folder/whole ]] || take_cache_lock
if [[ ! -e $root.whole ]]; then
	rm -rf --one-file-system "$root"
	make_step "making a Debian 13 with kernel $release (3 minutes)" --root "$root" "$release"
	touch "$root.whole"
fi
if [[ ! -e $folder/whole ]]; then
	make_step "preparing $release for DKMS, as DKMS would (3 minutes)" --kernel "$root" "$release"
	make_step "making its disk" --disk "$root" "$folder" "$release"
	touch "$folder/whole"
fi
echo "$folder"
