#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs unmodified programs of Debian under umcg-run. Each must give the right results. Runs as root in
# the guest of `make check-install`, in a folder with the module, the package of the tools, and the
# files of run/programs. Prints lines of "ok" and "not ok".
set -uo pipefail

cd "$(realpath "$(dirname "$0")")" || exit
export HOME=/root LC_ALL=C.UTF-8
# The time limit of each, in seconds.
patience=600

# shellcheck source=packaging/guest-check.sh
source ./guest-check.sh

set_up()
{
	systemd-sysusers - <umcg.sysusers &&
		cp 60-umcg.rules /etc/udev/rules.d/ && udevadm control --reload &&
		dpkg --install ./*.deb && insmod umcg.ko && udevadm settle &&
		[[ $(stat -c '%G %a' /dev/umcg) == "umcg 660" ]]
}

# run_with_figures PROGRAM...: runs it, and checks that all its threads were workers.
run_with_figures()
{
	timeout "$patience" umcg-run --stats "$@" >printed 2>figures || { cat printed figures; return 1; }
	cat printed figures
	were_workers figures
}

# were_workers FILE: whether the figures have a class of threads that ran, and none that were plain.
were_workers()
{
	grep -A 1 -E '^threads +number +run' "$1" | tail -n 1 |
		grep -qE ' +[1-9][0-9]* +[1-9][0-9]* +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+$' &&
		! grep -q 'not under UMCG' "$1"
}

java_collects_garbage()
{
	run_with_figures java -XX:+UseG1GC -Xmx48m Work && grep -q '^right' printed
}

node_has_threads()
{
	run_with_figures node work.mjs && grep -qx right printed
}

rust_has_threads()
{
	run_with_figures ./work && grep -qx right printed
}

# The threads that fill it write the same keys, so there are as many as one thread writes.
rocksdb_fills_and_reads()
{
	local keys=4000

	run_with_figures db_bench --db=/var/tmp/rocks --threads=8 --num="$keys" --value_size=200 \
		--write_buffer_size=262144 --compression_type=none --verify_checksum=1 \
		--benchmarks=fillseq,overwrite,readrandom,readwhilewriting,verifychecksum || return
	grep -E "^readrandom .*\($keys of $keys found\)" printed &&
		[[ $(ldb --db=/var/tmp/rocks scan --no_value | wc -l) == "$keys" ]] &&
		ldb --db=/var/tmp/rocks checkconsistency
}

# Each stressor is a process; these have threads.
stress_ng_finds_no_fault()
{
	timeout "$patience" umcg-run stress-ng --verify --timeout 4 --sequential 2 \
		--pthread-max 32 --mutex-procs 8 --with pthread,mutex,futex,sem,nanosleep,membarrier,mcontend,clone
}

# begin_crowd SECONDS: starts it, and waits until it has threads.
begin_crowd()
{
	# One may be left by a failed test.
	pkill -KILL -x crowd
	rm -f printed figures
	timeout "$patience" umcg-run --stats ./crowd "$1" >printed 2>figures &
	crowd=$!
	until grep -qx running printed 2>/dev/null; do
		kill -0 "$crowd" || return
		sleep 0.1
	done
	pid=$(pgrep -x crowd)
}

end_crowd()
{
	wait "$crowd" || { cat printed figures; return 1; }
	cat printed figures
	grep -q '^right' printed && were_workers figures
}

# The backtraces must have all threads of the crowd.
gdb_shows_all_threads()
{
	begin_crowd 30 || return
	gdb --batch --pid "$pid" -ex 'thread apply all backtrace' -ex detach >backtraces 2>&1
	cat backtraces
	[[ $(grep -cE '^#[0-9]+ .* member \(' backtraces) == 16 ]] || return
	end_crowd
}

gdb_stops_at_breakpoints()
{
	begin_crowd 30 || return
	gdb --batch --pid "$pid" -ex 'break take_turn' -ex continue -ex 'print *own' -ex continue \
		-ex backtrace -ex 'delete' -ex detach >stops 2>&1
	cat stops
	[[ $(grep -cE 'hit Breakpoint 1.*take_turn' stops) == 2 ]] && grep -q '^\$1 = [0-9]' stops &&
		grep -qE '^#1 .* member \(' stops || return
	end_crowd
}

gdb_starts_it()
{
	timeout "$patience" gdb --batch -iex 'set breakpoint pending on' -ex 'break take_turn' -ex run \
		-ex backtrace -ex delete -ex continue --args umcg-run ./crowd 2 >stops 2>&1
	cat stops
	grep -qE '^#1 .* member \(' stops && grep -q '^right' stops && grep -q 'exited normally' stops
}

# The tracer must see all threads, each of which reads the token, and let them run when it detaches.
strace_follows_all_threads()
{
	local tracer

	begin_crowd 60 || return
	strace --follow-forks --output calls --attach "$pid" &
	tracer=$!
	until [[ $(grep -E '^[0-9]+ +read\(3,' calls | cut -d ' ' -f 1 | sort -u | wc -l) == 16 ]]; do
		kill -0 "$pid" || return
		sleep 0.5
	done
	kill -INT "$tracer"
	wait "$tracer"
	end_crowd
}

strace_starts_it()
{
	timeout "$patience" strace --follow-forks --output calls umcg-run --stats ./crowd 2 >printed 2>figures
	cat printed figures
	grep -q '^right' printed && were_workers figures && grep -q 'write(.*"right after' calls
}

is_killed()
{
	local status=0

	begin_crowd 600 || return
	kill -KILL "$pid"
	wait "$crowd" || status=$?
	[[ $status == 137 && ! -e /proc/$pid ]]
}

terminal_interrupts_it()
{
	python3 terminal.py interrupt umcg-run ./crowd 600
}

terminal_stops_it_and_goes_on()
{
	python3 terminal.py stop umcg-run ./crowd 20
}

# The drop-ins are those in the documentation: the first line of each block names its file.
install_drop_ins()
{
	awk '/^   # \/etc\/systemd\/system\// { file = $2; next }
		file && /^[^ ]/ { file = "" }
		file && NF { sub("^   ", ""); print file "\t" $0 }' try.rst >drop-ins
	cat drop-ins
	while IFS=$'\t' read -r file line; do
		mkdir -p "${file%/*}"
		echo "$line" >>"$file"
	done <drop-ins
	systemctl daemon-reload
	[[ $(cut -f 1 drop-ins | sort -u | wc -l) == 3 ]]
}

# has_workers NAME PROGRAM: whether PROGRAM is the main process of the service, and has a group.
has_workers()
{
	local pid

	pid=$(systemctl show --value --property MainPID "$1")
	[[ $(cat "/proc/$pid/comm") == "$2" ]] && grep -qx umcg-server-0 "/proc/$pid/task"/*/comm
} 2>/dev/null

# start NAME PROGRAM: starts a service, and waits until it has workers.
start()
{
	local end=$((SECONDS + 120))

	systemctl start "$1"
	until has_workers "$@"; do
		if ((SECONDS > end)); then
			systemctl --no-pager status "$1"
			journalctl --no-pager --unit "$1" | tail -n 30
			return 1
		fi
		sleep 0.5
	done
}

# stop NAME: stops a service, and checks its figures in the journal.
stop()
{
	systemctl stop "$1" && [[ $(systemctl show --value --property Result "$1") == success ]] || return
	journalctl --no-pager --output cat --unit "$1" >figures
	cat figures
	were_workers figures
}

# memcached_answers COMMAND ANSWER: sends a command, and compares the first line of the reply.
memcached_answers()
{
	local answer

	exec 3<>/dev/tcp/127.0.0.1/11211 || return
	printf '%b' "$1" >&3
	read -r -t 60 answer <&3
	exec 3>&-
	echo "$answer"
	[[ $answer == "$2"$'\r' ]]
}

memcached_serves()
{
	local key jobs=()

	start memcached.service memcached || return
	for key in {1..40}; do
		(memcached_answers "set key$key 0 0 5\r\nvalue\r\n" STORED) &
		jobs+=($!)
	done
	for key in "${jobs[@]}"; do
		wait "$key" || return
	done
	for key in {1..40}; do
		memcached_answers "get key$key\r\n" "VALUE key$key 0 5" || return
	done
	memcached_answers "get none\r\n" END && stop memcached.service
}

# redis forks to save, while it has threads for input and output.
redis_serves_and_saves()
{
	echo 'io-threads 4' >>/etc/redis/redis.conf
	start redis-server.service redis-server || return
	redis-benchmark -q -c 20 -n 4000 -r 500 -t set,get,incr,lpush,rpop,sadd,hset &&
		[[ $(redis-cli set kept yes) == OK && $(redis-cli bgsave) == "Background saving started" ]] || return
	until redis-cli info persistence | grep -q '^rdb_bgsave_in_progress:0'; do
		sleep 0.2
	done
	redis-cli info persistence | grep '^rdb_last_bgsave_status:ok' &&
		redis-check-rdb /var/lib/redis/dump.rdb | tee /dev/stderr | grep -q 'RDB looks OK' || return
	stop redis-server.service && systemctl start redis-server.service &&
		[[ $(redis-cli get kept) == yes ]] && systemctl stop redis-server.service
}

bench()
{
	timeout "$patience" sysbench --mysql-socket=/run/mysqld/mysqld.sock --mysql-user=root --mysql-db=test \
		--tables=2 --table-size=2000 --threads=32 --time=20 --report-interval=0 "$@"
}

# tables_are_whole SUM: whether the tables are intact, and their balances add up to SUM.
tables_are_whole()
{
	local table

	for table in accounts1 accounts2; do
		mariadb -N test -e "CHECK TABLE $table EXTENDED" | tee /dev/stderr | grep -qE 'status\s+OK$' || return
	done
	[[ $(mariadb -N test -e 'SELECT (SELECT SUM(balance) FROM accounts1) +
		(SELECT SUM(balance) FROM accounts2)') == "$1" ]]
}

mariadb_keeps_its_tables()
{
	start mariadb.service mariadbd || return
	mariadb -e 'CREATE DATABASE IF NOT EXISTS test' && bench accounts.lua prepare &&
		bench accounts.lua run >report || return
	cat report
	grep -qE '^transactions_per_s [1-9]' report && grep -qx 'reconnects 0' report && tables_are_whole 4000000
}

mariadb_recovers_from_a_crash()
{
	local before

	before=$(systemctl show --value --property MainPID mariadb.service)
	bench accounts.lua run >report 2>&1 &
	sleep 5
	systemctl kill --signal KILL mariadb.service
	wait $!
	# systemd restarts it.
	until [[ $(systemctl show --value --property MainPID mariadb.service) != "$before" ]]; do
		sleep 0.5
	done
	start mariadb.service mariadbd && mariadb-admin --wait=60 ping && tables_are_whole 4000000
}

mariadb_ends()
{
	stop mariadb.service
}

module_goes()
{
	rmmod umcg
}

check "the module is there, and umcg-run" set_up
check "threads of Java, collections of garbage" java_collects_garbage
check "worker threads of Node, promises of files" node_has_threads
check "threads of Rust's std" rust_has_threads
check "RocksDB fills and reads" rocksdb_fills_and_reads
check "stress-ng finds no fault" stress_ng_finds_no_fault
check "gdb shows the backtraces of all threads" gdb_shows_all_threads
check "gdb stops threads at breakpoints" gdb_stops_at_breakpoints
check "gdb starts a program" gdb_starts_it
check "strace attaches to all threads" strace_follows_all_threads
check "strace starts a program" strace_starts_it
check "kill -9 ends all threads" is_killed
check "Ctrl-C ends it" terminal_interrupts_it
check "Ctrl-Z stops all threads, fg continues them" terminal_stops_it_and_goes_on
check "the documentation has drop-ins for services" install_drop_ins
check "memcached serves" memcached_serves
check "redis serves, and saves in a child" redis_serves_and_saves
check "MariaDB keeps its tables" mariadb_keeps_its_tables
check "MariaDB recovers from a crash" mariadb_recovers_from_a_crash
check "MariaDB ends" mariadb_ends
check "the module can be unloaded" module_goes
check "the kernel has not complained" kernel_log_is_clean
echo "# end of results"
