# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What differs by the architecture of the kernel: all of it, by ARCH=amd64 or arm64, the machine's
# own if that is not set. Source it after lib.sh.

case $(uname -m) in
x86_64) host_arch=amd64 ;;
aarch64) host_arch=arm64 ;;
*) die "x86_64 and arm64 machines only, this one is $(uname -m)" ;;
esac

case ${ARCH:-$host_arch} in
amd64 | x86_64 | x86)
	arch=amd64
	# What the kernel's own Makefile and sources call it, and what its image is.
	kernel_arch=x86
	kernel_image=bzImage
	tool_prefix=x86_64-linux-gnu-
	emulator=(qemu-system-x86_64)
	emulated_cpu=max
	console_device=ttyS0
	# A timer that comes late is no broken one: the machine may be busy.
	boot_options=no_timer_check
	;;
arm64 | aarch64)
	arch=arm64
	kernel_arch=arm64
	kernel_image=Image
	tool_prefix=aarch64-linux-gnu-
	# For programs of 32 bits.
	compat_prefix=arm-linux-gnueabihf-
	emulator=(qemu-system-aarch64 -machine "virt,gic-version=3")
	# The signatures of pointers as the architecture has them take most of the emulator's time.
	emulated_cpu=max,pauth-impdef=on
	console_device=ttyAMA0
	boot_options=
	;;
*) die "ARCH=$ARCH is not known: there are amd64 and arm64" ;;
esac

# Where it is the machine's own, all is as if there were no other; else folders are named after it,
# and what builds for it is found in this environment.
foreign=
build_environment=()
if [[ $arch != "$host_arch" ]]; then
	foreign=$arch
	build_environment=(ARCH="$kernel_arch" CROSS_COMPILE="$tool_prefix" CC="${tool_prefix}gcc"
		AR="${tool_prefix}ar" NM="${tool_prefix}nm")
	[[ -z ${compat_prefix-} ]] || build_environment+=(CROSS_COMPILE_COMPAT="$compat_prefix")
fi
