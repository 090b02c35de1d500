-- The event log, a page at a time: for people, who look at what is new. `event_log` is for programs that follow it.

-- name: list_logged_events
-- Newest first: a walk back along the primary key of each partition.
select sequence, event_id as id, type, subject, run_id, occurred_at as time, data
from ordinaut.event_log
where (%(at)s::timestamptz is null or (occurred_at, sequence) < (%(at)s, %(sequence)s::bigint))
    and (%(type)s::text is null or type = %(type)s or %(type)s like '%%.' and starts_with(type, %(type)s))
    and (%(subject)s::text is null or subject = %(subject)s)
    and (%(run_id)s::uuid is null or run_id = %(run_id)s)
order by occurred_at desc, sequence desc
limit %(limit)s;
