-- SPDX-License-Identifier: GPL-2.0
--
-- What is wrong with a trace of umcg-trace, as Perfetto has loaded it: a row for each kind of fault.

SELECT fault, sum(times) AS times
FROM (
	SELECT 'import: ' || name AS fault, value AS times
	FROM stats
	WHERE severity IN ('error', 'data_loss') AND value > 0
	UNION ALL
	SELECT 'no states', 1
	WHERE NOT EXISTS (SELECT 1 FROM slice WHERE category = 'state')
	UNION ALL
	SELECT 'a process without a name', 1
	FROM process
	WHERE pid > 0 AND name IS NULL
	UNION ALL
	SELECT 'a thread without a name', 1
	FROM thread JOIN thread_track USING (utid)
	WHERE thread.name IS NULL
	UNION ALL
	SELECT 'a state that takes no time or is inside another', 1
	FROM slice
	WHERE category = 'state' AND (dur <= 0 OR depth > 0)
	UNION ALL
	SELECT 'a state that begins before the last has ended', 1
	FROM (
		SELECT ts, lag(ts + dur) OVER (PARTITION BY track_id ORDER BY ts) AS last_end
		FROM slice
		WHERE category = 'state'
	)
	WHERE ts < last_end
	UNION ALL
	SELECT 'a wake without an arrow', 1
	FROM slice
	WHERE category = 'wake' AND id NOT IN (SELECT slice_out FROM flow)
	UNION ALL
	SELECT 'an arrow that is not from a wake to what begins then', 1
	FROM flow
	JOIN slice AS source ON source.id = slice_out
	JOIN slice AS target ON target.id = slice_in
	WHERE source.category <> 'wake' OR source.ts <> target.ts
)
GROUP BY fault;
