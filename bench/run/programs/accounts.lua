-- SPDX-License-Identifier: GPL-2.0
--
-- For sysbench: transactions that move money from a few hot rows to others, and some long scans,
-- which must find as much money as in the beginning. Prints "MEASURE VALUE" at the end. Transactions
-- that MariaDB refuses, as after a timeout, are started again and counted.

sysbench.cmdline.options = {
	tables = { "How many tables", 4 },
	table_size = { "How many rows each has", 5000 },
	hot_rows = { "How many of these, the first ones, are in each transaction", 2 },
	scan_every = { "One transaction in this many is a scan", 200 },
}

local BALANCE = 1000
local BATCH = 500

local function insert(connection, table_name)
	local size = sysbench.opt.table_size

	for first = 1, size, BATCH do
		local rows = {}

		for id = first, math.min(first + BATCH - 1, size) do
			rows[#rows + 1] = string.format("(%d, %d, '%s')", id, BALANCE,
				string.rep(string.char(97 + id % 26), 100))
		end
		connection:query(string.format("INSERT INTO %s VALUES %s", table_name,
			table.concat(rows, ",")))
	end
end

local function connect()
	return sysbench.sql.driver():connect()
end

function prepare()
	local connection = connect()

	for number = 1, sysbench.opt.tables do
		local name = "accounts" .. number

		connection:query("CREATE TABLE " .. name .. [[ (id INT PRIMARY KEY,
			balance BIGINT NOT NULL, note CHAR(100) NOT NULL) ENGINE=InnoDB]])
		insert(connection, name)
	end
end

function thread_init()
	connection = connect()
end

function thread_done()
	connection:disconnect()
end

-- After a timeout MariaDB rolls back only the statement. sysbench starts the event again, and half of
-- the transaction would be left.
function sysbench.hooks.before_restart_event()
	connection:query("ROLLBACK")
end

local function sum_of(name)
	return tonumber(connection:query_row(string.format(
		"SELECT SUM(balance) FROM %s WHERE note NOT LIKE '%%zz0%%'", name)))
end

-- MariaDB does not take the snapshot of a scan in one step: a transaction that ends meanwhile may not
-- be in it, but the next one that changes the same row. A table that has lost money stays wrong.
local function scan(name)
	local expected = BALANCE * sysbench.opt.table_size
	local sum = sum_of(name)

	if sum == expected then
		return
	end
	local second = sum_of(name)
	if second ~= expected then
		error(string.format("the sum of %s is %s, and then %s", name, sum, second))
	end
	print(string.format("torn scan: the sum of %s was %s", name, sum))
end

-- The hot row has the lower number, so there are no deadlocks. The transaction reads nothing before it
-- writes, or MariaDB would refuse to write rows that others have changed since.
local function move(name)
	local hot = sysbench.rand.uniform(1, sysbench.opt.hot_rows)
	local other = sysbench.rand.uniform(sysbench.opt.hot_rows + 1, sysbench.opt.table_size)
	local amount = sysbench.rand.uniform(1, 10)

	connection:query(string.format("SELECT balance FROM %s WHERE id = %d", name, other))
	connection:query("BEGIN")
	connection:query(string.format("UPDATE %s SET balance = balance - %d WHERE id = %d",
		name, amount, hot))
	connection:query(string.format("UPDATE %s SET balance = balance + %d WHERE id = %d",
		name, amount, other))
	connection:query("COMMIT")
end

function event()
	local name = "accounts" .. sysbench.rand.uniform(1, sysbench.opt.tables)

	if sysbench.rand.uniform(1, sysbench.opt.scan_every) == 1 then
		scan(name)
	else
		move(name)
	end
end

function sysbench.hooks.report_cumulative(stat)
	local us = 1e6

	print(string.format("transactions_per_s %.1f", stat.events / stat.time_total))
	print(string.format("latency_p%d_us %.0f", sysbench.opt.percentile, stat.latency_pct * us))
	print(string.format("latency_longest_us %.0f", stat.latency_max * us))
	print(string.format("retried_transactions %d", stat.errors))
	print(string.format("reconnects %d", stat.reconnects))
end
