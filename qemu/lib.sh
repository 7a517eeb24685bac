# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Common functions of the scripts of this folder. Source it.

# Other users read what is made here: those of the guest, of the build root, of this machine.
umask 022

# With it, cd prints where it has gone, and may go elsewhere.
unset CDPATH

# shellcheck disable=SC2034
repository=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	say "error: $*"
	exit 1
}

# Sets $cache. A tilde finds the home folder also where HOME is not set.
find_cache()
{
	cache=${UMCG_CACHE:-${XDG_CACHE_HOME:-${HOME:-~}/.cache}/umcg-rs}
	[[ $cache != *[[:space:]:]* ]] ||
		die "a kernel cannot be built in '$cache' (space or colon): set UMCG_CACHE"
	mkdir -p "$cache"
	cache=$(realpath "$cache")
}

# The children of the holder hold the lock too: what a killed run left behind
# it ends before the next run begins.
take_cache_lock()
{
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	if ! flock --nonblock 9; then
		say "waiting for another run that fills $cache"
		flock 9
	fi
	# If that run was cache-clean.sh, this is the lock of a file that is gone.
	[[ $cache/lock -ef /dev/fd/9 ]] || take_cache_lock
}

# One short word that stands for all the text on stdin.
key_of_stdin()
{
	sha256sum | cut -c 1-12
}

# Copies stdin to the log and prints a dot every few seconds.
log_with_dots()
{
	local log=$1 line status next_dot=$((SECONDS + 5))

	while true; do
		status=0
		IFS= read -r -t 5 line || status=$?
		printf '%s' "$line"
		((status == 0)) && echo
		if ((SECONDS >= next_dot)); then
			printf . >&2
			next_dot=$((SECONDS + 5))
		fi
		((status == 0 || status > 128)) || break
	done >"$log"
}

# If the CPU has no virtualization a guest crashes under KVM, though the device may exist.
kvm_works()
{
	[[ -z $foreign ]] && { [[ $arch == arm64 ]] || grep -qwE 'vmx|svm' /proc/cpuinfo; } && (: <>/dev/kvm) 2>/dev/null
}

# Lines "series flavour" of tested-kernels, those for the architecture $arch.
tested_kernels()
{
	sed -e 's/#.*//' "$repository/qemu/tested-kernels" | grep -w -e "$arch"
}

# The series there, each once, the newest first.
tested_series()
{
	tested_kernels | cut -d ' ' -f 1 | sort -urV
}

# The environment of the guest tests, as words.
guest_environment()
{
	local name

	for name in UMCG_SECONDS UMCG_SEED UMCG_OPERATIONS UMCG_KILLS UMCG_LOADS; do
		[[ -z ${!name-} ]] || echo "$name=${!name}"
	done
}

# run_step TEXT LOG COMMAND...: runs a command that may take long.
run_step()
{
	local text=$1 log=$2 begin=$SECONDS status
	shift 2

	printf '%s ..' "$text" >&2
	set +e
	(
		set -e
		"$@"
	) </dev/null 2>&1 | log_with_dots "$log"
	status=${PIPESTATUS[0]}
	set -e
	if ((status == 0)); then
		say " $((SECONDS - begin)) s"
		return
	fi
	say " failed after $((SECONDS - begin)) s, the end of $log:"
	tail -n 30 "$log" >&2
	exit "$status"
}
