#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# install-root.sh RELEASE [--compile-java FILE FOLDER]: makes the disk of a Debian 13 with
# systemd and the kernel RELEASE of its archive, in which the packages of this project are
# installed, and prints the folder with disk, vmlinuz and initrd.img, and a firmware that
# starts them by Secure Boot. It lives in the cache. Or compiles a file with the JDK there.
#
# The kernel folder that DKMS builds with is made here, by the script that DKMS calls:
# in a guest without KVM it would take an hour.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"

suite=trixie
disk_size=10G
# Independent of how the key got there.
key_owner=605dab50-e046-4300-abb6-3dd810dd8b23

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
	chroot "$root" systemctl disable --quiet mariadb.service memcached.service redis-server.service
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

make_key()
{
	local name=$1

	openssl req -new -x509 -newkey rsa:2048 -nodes -days 36500 -subj "/CN=umcg $name/" \
		-outform DER -keyout "$name.priv" -out "$name.der"
	openssl x509 -inform DER -in "$name.der" -out "$name.pem"
}

# The keys of Microsoft, as on a machine that is sold, and one of ours among them. Another
# key is unknown.
make_firmware()
{
	cd /mnt
	make_key key
	make_key strange
	cp /usr/share/OVMF/OVMF_CODE_4M.ms.fd code.fd
	virt-fw-vars --input /usr/share/OVMF/OVMF_VARS_4M.ms.fd --output variables.fd --secure-boot \
		--add-db "$key_owner" key.pem
}

make_firmware_in_root()
{
	local root=$1 firmware=$2/firmware

	rm -rf "$firmware"
	mkdir "$firmware"
	mount --bind "$firmware" "$root/mnt"
	chroot "$root" /bin/bash -euo pipefail -c "key_owner=$key_owner
		$(declare -f make_key make_firmware)
		make_firmware"
	umount "$root/mnt"
	declare -f make_firmware >"$firmware/whole"
}

compile_java()
{
	local root=$1 file=$2 folder=$3

	mount -t proc proc "$root/proc"
	mkdir -p "$folder"
	mount --bind "$folder" "$root/mnt"
	mount --bind "$(dirname "$file")" "$root/media"
	chroot "$root" javac -Xlint:all -Werror -d /mnt "/media/$(basename "$file")"
	umount "$root/media" "$root/mnt" "$root/proc"
}

release=${1:?usage: install-root.sh RELEASE}
case $release in
--root) make_root "$2" "$3"; exit ;;
--kernel) root=$2 release=$3 make_kernel_folder; exit ;;
--disk) release=$4 make_disk "$2" "$3"; exit ;;
--firmware) make_firmware_in_root "$2" "$3"; exit ;;
--java) compile_java "$2" "$3" "$4"; exit ;;
esac

find_cache
key=$({ list_packages "$release"; declare -f make_root set_up_guest; cat "$here/buildroot.sh"; } |
	key_of_stdin)
root=$cache/guest-$release-$key
disk_key=$(cat "$here"/{kernel-dir.sh,adapt-kernel-dir.sh,check-symvers} "$here/../packaging/local-kdir.sh" |
	key_of_stdin)
folder=$root-disk-$disk_key

make_step()
{
	run_step "$1" "$cache/guest.log" unshare --mount --propagation private "$here/install-root.sh" "${@:2}"
}

# By the recipe of today.
firmware_is_made()
{
	[[ $(cat "$folder/firmware/whole" 2>/dev/null) == "$(declare -f make_firmware)" ]]
}

[[ $(id -u) == 0 ]] || die "only root can make this"
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
firmware_is_made || make_step "making its firmware" --firmware "$root" "$folder"
if [[ ${2-} == --compile-java ]]; then
	exec unshare --mount --propagation private "$here/install-root.sh" --java "$root" "$(realpath "$3")" "$4"
fi
echo "$folder"
