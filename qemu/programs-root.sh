#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes a folder with the programs of qemu/programs and their libraries, as in Debian 13, and
# databases of MariaDB, and prints its path. It is made once and lives in the cache; --find only
# finds it, as in the build root it cannot be made.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=qemu/lib.sh
source "$here/lib.sh"

suite=trixie
accounts=$here/../bench/run/programs/accounts.lua
folder=/umcg

list_packages()
{
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/programs"
}

# run_in ROOT PROGRAM ARGUMENT...: by the loader's path, as there is no /lib64.
run_in()
{
	local root=$1
	shift

	chroot "$root" /usr/lib64/ld-linux-x86-64.so.2 "$@"
}

run_mariadb()
{
	run_in "$1" /usr/sbin/mariadbd --no-defaults --user=root --datadir="$folder/mariadb" --tmpdir="$folder" \
		--lc-messages-dir=/usr/share/mariadb --innodb-use-native-aio=0 --innodb-log-file-size=16M \
		--skip-networking --socket="$folder/socket" "${@:2}"
}

# The system tables, and those that sysbench prepares.
make_database()
{
	local root=$1 prepared=true

	mkdir -p "$root$folder/mariadb/test"
	mkdir "$root$folder/mariadb/mysql"
	cat "$root"/usr/share/mariadb/mariadb_{system_tables,performance_tables,system_tables_data}.sql |
		{ echo 'USE mysql;'; cat; } | run_mariadb "$root" --bootstrap
	run_mariadb "$root" --skip-grant-tables --innodb-fast-shutdown=0 --pid-file="$folder/pid" &
	cp "$accounts" "$root$folder/"
	until [[ -s $root$folder/pid && -S $root$folder/socket ]]; do
		jobs %% >/dev/null
		sleep 0.2
	done
	run_in "$root" /usr/bin/sysbench "$folder/accounts.lua" --mysql-socket="$folder/socket" --mysql-user=root \
		--mysql-db=test prepare || prepared=false
	kill "$(<"$root$folder/pid")"
	wait %%
	$prepared
}

# Nothing is configured, so no server is set up or started.
make_root()
{
	local root=$1
	local mirror=${UMCG_MIRROR:-$("$here/host-apt.sh" mirror)}

	mmdebstrap --mode=root --variant=extract --format=directory \
		--setup-hook="'$here/buildroot.sh' --prepare-apt \"\$1\"" \
		--include="$(list_packages | paste -sd,)" "$suite" "$root" ${mirror:+"$mirror"}
}

if [[ ${1-} == --make ]]; then
	make_root "$2"
	make_database "$2"
	exit
fi

find_cache
root=$cache/programs-$({ list_packages; declare -f make_root run_in run_mariadb make_database; cat "$accounts"; } |
	key_of_stdin)
[[ ${1-} != --find || -e $root ]] || die "$root is not there: start $0 outside of the build root"
if [[ ! -e $root ]]; then
	[[ $(id -u) == 0 ]] || die "only root can make this"
	"$here/host-packages.sh"
	take_cache_lock
fi
if [[ ! -e $root ]]; then
	rm -rf --one-file-system "$cache"/programs-*.partial
	partial=$root.$$.partial
	run_step "fetching the programs of the benchmark, and preparing databases" "$cache/programs.log" \
		unshare --mount --propagation private "$here/programs-root.sh" --make "$partial"
	mv "$partial" "$root"
fi
echo "$root"
