#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# boot.sh KDIR demo|check|instructions|time|profile|stores|run [PATTERN]: boots the kernel of KDIR
# in QEMU with the module, runs the demo, the tests or the benchmarks of that kind there
# and tells how it went. Runs inside the build root. Files of the guest and the logs
# come to out/, those of a kernel that debug-kernel.sh has made to a folder there.
#
# BOOT_TIMEOUT=SECONDS    the time limit of the whole boot
# BOOT_OPTIONS='WORD…'    more options for the kernel's command line
# REPEAT=TIMES            how often each test is run, in rounds of all of them
# UMCG_PARALLEL=CPUS      that many CPUs, each a thread of the emulator
# UMCG_SECONDS=, UMCG_SEED= and what else guest_environment() names: how long the random
# tests run, and how they begin
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"
# shellcheck source=qemu/arch.sh
source "$here/arch.sh"
# shellcheck source=qemu/suite.sh
source "$here/suite.sh"

kernel=$(dirname "${1:?usage: boot.sh KDIR demo|check|instructions|time|profile|stores|run [PATTERN]}")
mode=${2:?demo, check, instructions, time, profile, stores or run}
pattern=${3-}
kind=$(cat "$kernel/kind" 2>/dev/null || true)
build=$(realpath -m "$repository/build/$variant")
out=$(realpath -m "$repository/out/$variant$kind")
guest=$build/guest
results=$out/results.txt
console=$out/console.log

# The way to the host and the disk, and what a test needs. Each flavour has others of
# these built in; modprobe does not find those and goes on.
add_modules()
{
	local file number=10 wanted=(virtio_pci virtio_console virtio_blk)

	[[ $mode != check ]] || wanted+=(vhost_vsock)
	modprobe --dirname "$kernel" --set-version "$release" --show-depends --all \
		"${wanted[@]}" >"$build/modules" 2>/dev/null || true
	while read -r file; do
		number=$((number + 1))
		xz -dc "$file" >"$guest/modules/$number-$(basename "${file%.xz}")"
	done < <(awk '$1 == "insmod" && !seen[$2]++ { print $2 }' "$build/modules")
}

make_initramfs()
{
	rm -rf "$guest"
	mkdir -p "$guest"/{bench,dev,final,modules,out,proc,sys,tests,tmp}
	cp "$build/qemu/runner" "$guest/init"
	cp "$build/module${kind:+-$kind}/umcg.ko" "$guest/"
	grep . "$here/log-patterns" >"$guest/log-patterns"
	case $mode in
	demo) cp "$build/examples/demo" "$guest/" ;;
	check) add_tests ;;
	instructions | time | profile | stores) add_benchmarks ;;
	run) add_workloads ;;
	esac
	add_modules
	# Not all tests run as root.
	chmod -R a+rX "$guest"
	(cd "$guest" && find . | cpio --quiet -o -H newc | gzip -1) >"$build/initramfs.gz"
}

add_tests()
{
	local name

	for name in $(make -s -C "$repository/selftests" list); do
		cp "$build/selftests/$name" "$guest/tests/"
	done
	for name in $(make -s -C "$repository/selftests" list-final); do
		cp "$build/selftests/$name" "$guest/final/"
	done
	cp "$build/rust_module${kind:+-$kind}/hello_rust.ko" \
		"$build/test_modules${kind:+-$kind}/unknown_works.ko" "$guest/"
	cp -r "$build/doc/tutorial" "$guest/"
	if [[ -z $foreign ]]; then
		cp "$build/crate/umcg_crate" "$guest/tests/"
		cp -r "$build/crate/tutorial" "$guest/tutorial/rust"
	fi
	add_tools
	add_runtimes
	add_run
}

# Only where check.sh builds them.
add_runtimes()
{
	[[ -z $pattern || $pattern == '*' || $pattern == *@(runtimes|tokio|rayon)* ]] || return 0
	[[ ! -e $build/crate/umcg_runtimes ]] || cp "$build/crate/umcg_runtimes" "$guest/tests/"
}

# Where they are not built their tests are skipped.
add_tools()
{
	[[ -e $build/tools/umcgtop && -e $build/examples/demo ]] || return 0
	mkdir "$guest/tools"
	cp "$build"/tools/umcg{top,-trace} "$build"/examples/{demo,relay} "$guest/tools/"
}

# umcg-run and programs for it, with the dynamic linker, and the libraries and modules of CPython
# that they use.
add_run()
{
	local file programs=("$build"/run/{libumcg_run.so,subject,subject-other.so,constructor.so,pool,pool-asan,openmp})
	local python=/usr/bin/python3.13

	# They are large.
	[[ -e $build/run/openmp && (-z $pattern || $pattern == '*' || $pattern == *run*) ]] ||
		return 0
	mkdir "$guest/run"
	cp "$build/run/umcg-run" "${programs[@]}" "$repository/run/guest/pool.py" "$guest/run/"
	ln -s ../tools/umcg-trace "$guest/run/"
	while read -r file; do
		install -D "$file" "$guest$file"
	done < <(
		echo "$python"
		ldd "$python" "${programs[@]}" | awk '$2 == "=>" { print $3 } $1 ~ /^\// && NF == 2 { print $1 }'
		"$python" -I -S -c 'import queue, sys, threading
for module in list(sys.modules.values()):
    print(getattr(module, "__file__", None) or "")' | grep .
	)
}

add_benchmarks()
{
	local name

	for name in $(make -s -C "$repository/bench" list); do
		cp "$build/bench/$name" "$guest/bench/"
	done
}

# The workloads, umcg-run and the programs of Debian, all with the libraries that they need.
add_workloads()
{
	local own=("$build"/bench-run/programs/* "$build/run/libumcg_run.so") debian programs

	programs=$("$here/programs-root.sh" --find)
	debian=(/usr/bin/{memcached,redis-server,sysbench} /usr/sbin/mariadbd
		/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0)
	mkdir -p "$guest/bench/run" "$guest/etc"
	cp "$build"/{bench-run/bench-run,run/umcg-run,crate/umcg_runtimes} "${own[@]}" "$guest/bench/run/"
	cp -r "$programs/umcg/mariadb" "$repository/bench/run/programs/accounts.lua" "$guest/bench/run/"
	ldd "${own[@]}" | copy_named "" '/lib[^ :]*\.so\.[0-9]+'
	{
		printf '%s\n' "${debian[@]}"
		for file in "${debian[@]}"; do
			chroot "$programs" /usr/lib64/ld-linux-x86-64.so.2 --list "$file"
		done
		echo /usr/share/mariadb/english/errmsg.sys
	} | copy_named "$programs" '/usr/(s?bin|lib|share)/[^ ]+'
	echo 'root:x:0:0:root:/:/' >"$guest/etc/passwd"
}

# copy_named ROOT PATTERN: the files of ROOT that stdin names, to the same places.
copy_named()
{
	local file

	while read -r file; do
		mkdir -p "$guest$(dirname "$file")"
		cp -L "$1$file" "$guest$file"
	done < <(grep -oE "$2" | sort -u)
}

# Random, so that nothing can guess what is read from it. QEMU makes it as slow as a disk:
# data that is available at once does not block.
make_disk()
{
	disk=$cache/disk
	[[ ! -e $disk ]] || return 0
	head -c 64M /dev/urandom >"$disk.$$"
	mv "$disk.$$" "$disk"
}

# Has QEMU count what the guest does in the batches of the benchmark: what is executed, or where
# its kernel stores.
add_plugin()
{
	local program=pairs arguments

	[[ $mode != stores ]] || program=sharing
	arguments=$(nm "$build/bench/$program" | awk '
		$3 == "bench_batch_begin" { print ",begin=" $1 }
		$3 == "bench_batch_end" { print ",end=" $1 }
		$3 == "sharing_sets" { print ",sets=" $1 }' | paste -s -d '')
	accelerator+=(-plugin "file=$build/bench/${mode}_plugin.so,out=$out/$mode-counts.txt$arguments")
}

# Without KVM one thread runs all processors: QEMU's other way crashes guests that
# switch tracepoints. To measure time it is needed all the same, for a processor
# that waits for its turn shows no time worth to be known; the benchmarks switch
# tracepoints but once, while nothing else goes on. Nor is there a race of processors that
# never run at the same time; that kernel has not crashed so far. UMCG_PARALLEL= does the
# same for tests: on arm64 no guest has crashed.
#
# With -icount the guest's clock counts its instructions. To the guest, a host that has other
# work is no slower then: no limit of time passes because a processor stood still. With the
# tests an instruction takes 4 ns, as long as QEMU needs for it, and 2 ns on a kernel that
# watches itself, which needs some times as many. With the benchmarks it is 1 ns, and fixed
# addresses make them the same in each boot.
choose_machine()
{
	processors=${parallel:-2}
	memory=1G
	options="$boot_options ${BOOT_OPTIONS-}"
	instruction="shift=2"
	((slowness == 1)) || options+=" UMCG_SLOWNESS=$slowness"
	if [[ -n $kind ]]; then
		memory=2G
		instruction="shift=1"
		# The allocator's caches of free objects keep pointers to those that they have
		# given out, and hide leaks so; where red zones are checked there are none.
		[[ $kind != debug ]] || options+=" slab_debug=Z"
		# The runner begins to look for races, the boot would take minutes with it: at one
		# access in a hundred, for ten microseconds.
		[[ $kind != kcsan ]] || options+=" kcsan.early_enable=0 kcsan.skip_watch=200 \
			kcsan.udelay_task=20 kcsan.udelay_interrupt=20"
	fi
	# It holds the databases twice.
	[[ $mode != run ]] || memory=2G
	if [[ $mode == @(instructions|profile|stores) ]]; then
		accelerator=(-accel "tcg,thread=single" -cpu "$emulated_cpu" -icount "shift=0,sleep=off")
		processors=1
		memory=3G
		options+=" nokaslr"
		[[ $mode == instructions ]] || add_plugin
	elif kvm_works; then
		accelerator=(-accel kvm -cpu host)
	elif [[ $mode == time || $mode == run || $kind == kcsan || -n $parallel ]]; then
		accelerator=(-accel "tcg,thread=multi" -cpu "$emulated_cpu")
	elif [[ $mode == check ]]; then
		accelerator=(-accel "tcg,thread=single" -cpu "$emulated_cpu" -icount "$instruction")
	else
		accelerator=(-accel "tcg,thread=single" -cpu "$emulated_cpu")
	fi
}

# Before all else that this machine has to do: each processor of a guest whose time is
# taken should have one of the host's. These are shared out among sessions first, where
# the kernel groups processes by them, and then among processes.
go_first=(setsid bash -c '(echo -20 >/proc/self/autogroup) 2>/dev/null; exec nice -n -20 "$@"' first)

start_guest()
{
	local limit=$1 begin=()

	[[ $mode != time && $mode != run ]] || begin=("${go_first[@]}")
	"${begin[@]}" timeout --kill-after=5 "$limit" "${emulator[@]}" "${accelerator[@]}" \
		-smp "$processors" -m "$memory" \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$kernel/vmlinuz" -initrd "$build/initramfs.gz" \
		-append "console=$console_device loglevel=5 panic=-1 $options umcg.mode=$mode umcg.pattern=$pattern \
			 umcg.repeat=$repeat $(guest_environment | paste -s -d ' ')" \
		-serial "file:$console" \
		-drive "file=$disk,format=raw,if=none,id=disk,readonly=on,throttling.iops-total=100" \
		-device virtio-blk-pci,drive=disk \
		-device virtio-serial-pci \
		-chardev "file,id=results,path=$results" \
		-device virtserialport,chardev=results,name=umcg.results \
		-chardev "file,id=files,path=$build/files.cpio" \
		-device virtserialport,chardev=files,name=umcg.files &
	guest_pid=$!
}

# Names the first lines of trouble on the console: all else may only follow from them. Of data
# races only the runner can tell whose they are.
console_is_clean()
{
	local complaints

	complaints=$(grep --with-filename -n -F -f "$guest/log-patterns" "${console#"$repository"/}" |
		grep -v -F 'BUG: KCSAN:') || return 0
	head -n 5 <<<"$complaints" >&2
	return 1
}

# The place where the console stopped, and what the guest did then.
last_of_console()
{
	echo "${console#"$repository"/}:$(wc -l <"$console"): $(tail -n 1 "$console")"
}

verdict()
{
	local status=$1 end

	cd "$repository"
	end=$(tail -n 1 "$results")
	console_is_clean || die "the kernel reported a fault, see the lines above; last output at $(last_of_console)"
	((status != 124 && status != 137)) ||
		die "the guest did not finish within $limit s, last output at $(last_of_console)"
	((status == 0)) || die "QEMU ended with status $status"
	[[ $end == "# end of results: "* ]] ||
		die "the guest ended early, last output at $(last_of_console)"
	cpio -idu --quiet --no-absolute-filenames -D "$out" <"$build/files.cpio" ||
		die "the files of the guest did not arrive completely"
	[[ $end == *passed ]] || die "the run in the guest failed, see the lines above"
}

find_cache
[[ -e $kernel/vmlinuz ]] || die "$kernel has no kernel image: omit KDIR= to boot"
release=$(<"$kernel/build/include/config/kernel.release")
repeat=${REPEAT:-1}
[[ $repeat =~ ^[1-9][0-9]{0,5}$ ]] || die "REPEAT=$repeat is not a number of runs"
parallel=${UMCG_PARALLEL-}
[[ $parallel =~ ^([1-9][0-9]?)?$ ]] || die "UMCG_PARALLEL=$parallel is not a number of CPUs"
slowness=1
# A kernel that watches itself takes longer for everything.
case $kind in
debug) slowness=2 ;;
kcsan) slowness=4 ;;
esac
# Then the guest's clock runs on while the host is busy.
[[ -z $parallel ]] || slowness=4
case $mode in
demo) limit=${BOOT_TIMEOUT:-$((150 * slowness))} ;;
check) limit=${BOOT_TIMEOUT:-$(((1500 + ${UMCG_SECONDS:-0}) * slowness * repeat))} ;;
instructions | time | profile | stores) limit=${BOOT_TIMEOUT:-300} ;;
run) limit=${BOOT_TIMEOUT:-2700} ;;
*) die "no mode $mode: demo, check, instructions, time, profile, stores or run" ;;
esac

[[ $mode != demo ]] || rm -rf "$out"
mkdir -p "$out"
truncate --size 0 "$results" "$console" "$build/files.cpio"
rm -f "$out/kernel.log" "$out/bench-$mode.txt" "$out/kallsyms"
make_initramfs
make_disk
choose_machine
say "booting $release (${accelerator[1]%%,*})"
start_guest "$limit"
tail -n +1 -s 0.2 --pid="$guest_pid" -f "$results" | sed -u '/^# end of results/d'
status=0
wait "$guest_pid" || status=$?
verdict "$status"
[[ ! -e $out/bench-$mode.txt ]] || echo "machine ${accelerator[*]}" >>"$out/bench-$mode.txt"
