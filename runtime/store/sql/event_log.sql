-- The event log, as its followers read it: in memory, without a place in the database and without a lock.

-- name: read_log_head
-- The highest number that was drawn, whether or not what bears it is committed.
select case when is_called then last_value else last_value - 1 end as top, ordinaut.now() as now
from ordinaut.event_sequence;

-- name: follow_log
-- Events with numbers above one, in the order in which they occurred, from a place in that order on: a walk along the
-- primary key of each partition, of which all but one or two are over at once.
select sequence, event_id, type, subject, run_id, occurred_at, data
from ordinaut.event_log
where (occurred_at, sequence) > (%(since)s, %(past)s) and sequence > %(after)s
order by occurred_at, sequence
limit %(limit)s;

-- name: find_in_log
-- Events with these numbers, which occurred within a span.
select sequence, event_id, type, subject, run_id, occurred_at, data
from ordinaut.event_log
where occurred_at >= %(since)s and occurred_at <= %(until)s and sequence = any(%(numbers)s::bigint[])
order by sequence;
