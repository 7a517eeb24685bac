#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the packages on a running Debian, uses what they brought, and removes them.
# Runs as root in the guest of `make check-install`, in a folder with the packages and
# log-patterns. Prints lines of "ok" and "not ok".
set -uo pipefail

cd "$(realpath "$(dirname "$0")")" || exit
release=$(uname -r)
export DEBIAN_FRONTEND=noninteractive HOME=/root LC_ALL=C.UTF-8

# shellcheck source=packaging/guest-check.sh
source ./guest-check.sh

packages()
{
	local deb

	for deb in *.deb; do
		dpkg-deb -f "$deb" Package
	done
}

# What may differ after a purge is the bookkeeping of others, and keys that DKMS keeps.
list_files()
{
	find / -xdev \( -path /run -o -path /tmp -o -path /var/tmp -o -path /proc -o -path /sys -o -path /dev \
		-o -path /var/log -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache/apt \
		-o -path /var/lib/systemd -o -path '/var/lib/dkms/mok.*' -o -path /var/cache/ldconfig \
		-o -path /var/cache/umcg -o -path '/etc/*-' -o -path /home -o -path '/usr/lib/modules/*/modules.*' \) -prune \
		-o -print | sort
}

nothing_is_there()
{
	! modinfo umcg 2>/dev/null && ! getent group umcg && [[ ! -e /dev/umcg ]]
}

install_packages()
{
	apt-get install -y --no-install-recommends "$PWD"/*.deb
}

nothing_is_amiss()
{
	local flaws

	# shellcheck disable=SC2046
	flaws=$(dpkg --verify $(packages)) && [[ -z $flaws ]] && dpkg --audit
}

dkms_has_built()
{
	dkms status umcg
	dkms status umcg | grep -q "$release.*: installed"
}

module_is_signed()
{
	modinfo umcg
	[[ -n $(modinfo -F signer umcg) ]]
}

module_loads()
{
	modprobe umcg
}

# udev handles the device after it has appeared.
device_belongs_to_group()
{
	udevadm settle
	stat -c '%G %a' /dev/umcg
	[[ $(stat -c '%G %a' /dev/umcg) == "umcg 660" ]]
}

# The example of umcg(7), as the manual page has it.
program_builds()
{
	zcat /usr/share/man/man7/umcg.7.gz |
		sed -n '/^#include <libumcg.h>/,/^\.Ed/p' | sed '$d' >example.c
	# shellcheck disable=SC2046
	cc -Wall -Wextra -Werror -o /usr/local/bin/umcg-example example.c \
		$(pkg-config --cflags --libs umcg)
	ldd /usr/local/bin/umcg-example | grep -q 'libumcg.so.0 => /'
}

umcgtop_shows_a_view()
{
	umcgtop --once >view && grep . view
}

umcg_trace_records_it()
{
	umcg-trace record -o trace.json --svg trace.svg -- umcg-example &&
		grep -q blocked trace.json && grep -q '<svg' trace.svg
}

umcg_run_shows_figures()
{
	cat >threads.c <<-END
		#include <pthread.h>
		#include <unistd.h>

		static void *run(void *argument)
		{
			usleep(1000);
			return argument;
		}

		int main(void)
		{
			pthread_t threads[4];

			for (int i = 0; i < 4; i++)
				if (pthread_create(&threads[i], NULL, run, NULL))
					return 1;
			for (int i = 0; i < 4; i++)
				pthread_join(threads[i], NULL);
			return 0;
		}
	END
	cc -Wall -Wextra -Werror -pthread -o threads threads.c || return
	umcg-run --stats ./threads 2>figures || return
	cat figures
	# Four threads, and how often they have run.
	grep -qE '^threads +4 +([4-9]|[1-9][0-9]+) ' figures
}

# Each of the usual tools is to see what the example does: two threads register, one blocks.
trace_cmd_decodes_the_events()
{
	trace-cmd record -q -e umcg -o events.dat umcg-example &&
		trace-cmd report events.dat >events || return
	cat events
	grep -qE 'umcg_block: +tid=[0-9]+ tgid=[0-9]+ server=[1-9]' events &&
		grep -q 'role=worker old=RUNNING new=BLOCKED reason=block' events
}

# count EVENT: how often perf has counted it.
count()
{
	awk -F , -v event="umcg:$1" '$3 == event { print $1 }' events
}

perf_counts_the_events()
{
	perf stat -x , -o events -e 'umcg:*' umcg-example || return
	cat events
	[[ $(count umcg_register) == 2 && $(count umcg_unregister) == 2 && $(count umcg_block) -ge 1 ]]
}

perf_records_the_events()
{
	perf record -q -N -o events.perf -e 'umcg:*' umcg-example &&
		perf script -i events.perf >events || return
	cat events
	grep -qE 'umcg:umcg_run: +tid=[0-9]+ tgid=[0-9]+ role=worker server=[1-9][0-9]* delay=[0-9]' events
}

bpftrace_draws_a_histogram()
{
	bpftrace -c /usr/local/bin/umcg-example -e 'tracepoint:umcg:umcg_run { @delay[args.role] = hist(args.delay); }' \
		>events 2>&1 || return
	cat events
	grep -q '^@delay\[1\]:' events && grep -q '|@' events
}

static_program_builds()
{
	# shellcheck disable=SC2046
	cc -static -o static-example example.c $(pkg-config --static --cflags --libs umcg) &&
		[[ $(timeout 60 ./static-example) == slept ]]
}

# The example in the crate's README, built by cargo with the crates of Debian alone.
crate_builds_and_runs()
{
	local registry=/usr/share/cargo/registry version
	local crates=("$registry"/umcg-*)

	version=${crates[0]##*-}
	[[ $(dpkg-query -W -f '${Version}' libumcg0) == "$version" ]] || return
	mkdir -p depends/src &&
		sed -n '/^```rust/,/^```$/p' "${crates[0]}/README.md" | sed '1d;$d' >depends/src/main.rs &&
		grep -q 'umcg::Group' depends/src/main.rs || return
	cat >depends/Cargo.toml <<-END
		[package]
		name = "depends"
		version = "0.1.0"
		edition = "2021"

		[dependencies]
		umcg = "$version"
	END
	CARGO_HOME=$PWD/cargo-home cargo build --offline --manifest-path depends/Cargo.toml \
		--config 'source.crates-io.replace-with = "debian"' \
		--config "source.debian.directory = '$registry'" &&
		timeout 60 depends/target/debug/depends
}

make_users()
{
	useradd --create-home --groups umcg member && useradd --create-home stranger
}

member_runs_it()
{
	[[ $(runuser -u member -- timeout 60 umcg-example) == slept ]]
}

stranger_is_refused()
{
	local answer status=0

	answer=$(runuser -u stranger -- timeout 60 umcg-example 2>&1) || status=$?
	echo "$answer"
	[[ $status == 1 && $answer == "umcg: Permission denied" ]]
}

doctor()
{
	local scripts=(/usr/src/umcg-*/packaging/doctor.sh)

	PATH=${doctor_path:-$PATH} "${scripts[0]}" "$@"
}

doctor_says_yes()
{
	doctor && [[ $(doctor) == "yes: "*"$release" ]]
}

# refuses REASON [RELEASE]: does the doctor say no in one line that has REASON?
refuses()
{
	local answer

	answer=$(doctor "${2:-$other}") && return 1
	echo "$answer"
	[[ $(wc -l <<<"$answer") == 1 && $answer == "no: "*"$1"* ]]
}

# A kernel that is like the running one, and tools without rustc.
make_other_kernel()
{
	mkdir -p "$build" no-rustc
	cp "/lib/modules/$release/build"/{.config,Module.symvers} "$build/"
	ln -s /usr/bin/* no-rustc/
	rm no-rustc/rustc
}

doctor_refuses_what_does_not_fit()
{
	refuses "is too old" 6.12.0-amd64 &&
		refuses "headers of kernel 7.3.98-none are not installed" 7.3.98-none &&
		refuses "only for Debian's kernels" &&
		doctor_path=$PWD/no-rustc refuses "rustc is not installed" || return
	sed -i 's/^\(CONFIG_RUSTC_VERSION_TEXT="rustc \)[0-9.]*/\11.99.0/' "$build/.config"
	refuses "needs 'rustc 1.99.0" || return
	sed -i '/preempt_notifier_register/d' "$build/Module.symvers"
	refuses "does not export preempt_notifier_register" || return
	sed -i '/^CONFIG_RUST=/d' "$build/.config"
	refuses "was built without CONFIG_RUST"
}

doctor_says_why_not()
{
	local other=7.3.99-test status=0
	local build=/lib/modules/$other/build

	make_other_kernel
	doctor_refuses_what_does_not_fit || status=$?
	rm -r "/lib/modules/$other"
	return "$status"
}

module_goes()
{
	modprobe -r umcg && udevadm settle && [[ ! -e /dev/umcg ]]
}

purge_packages()
{
	userdel --remove member
	userdel --remove stranger
	rm -f /usr/local/bin/umcg-example
	# shellcheck disable=SC2046
	apt-get purge -y $(packages)
}

nothing_is_left()
{
	[[ -z $(dkms status umcg) && ! -e /var/cache/umcg ]] && ! modinfo umcg 2>/dev/null || return
	list_files >after
	! comm -13 before after | grep . && ! comm -23 before after | grep .
}

check "nothing of it is there" nothing_is_there
list_files >before
check "apt installs the packages, DKMS builds the module" install_packages
check "dpkg finds nothing amiss" nothing_is_amiss
check "DKMS has installed it for the running kernel" dkms_has_built
check "DKMS has signed it" module_is_signed
check "modprobe loads it" module_loads
check "the device belongs to its group" device_belongs_to_group
check "a program builds with pkg-config" program_builds
check "two users are made" make_users
check "a member of the group runs it" member_runs_it
check "others are refused with a reason" stranger_is_refused
check "umcgtop shows a view" umcgtop_shows_a_view
check "umcg-trace records a program" umcg_trace_records_it
check "umcg-run shows figures of a program" umcg_run_shows_figures
check "trace-cmd decodes the events" trace_cmd_decodes_the_events
check "perf stat counts the events" perf_counts_the_events
check "perf record and perf script show the events" perf_records_the_events
check "bpftrace draws a histogram of an event's field" bpftrace_draws_a_histogram
check "a static program builds and runs" static_program_builds
check "a program with the crate builds offline and runs" crate_builds_and_runs
check "the doctor says yes" doctor_says_yes
check "the doctor says why not" doctor_says_why_not
check "the module can be unloaded" module_goes
check "the kernel has not complained" kernel_log_is_clean
check "apt purges the packages" purge_packages
check "nothing is left" nothing_is_left
echo "# end of results"
