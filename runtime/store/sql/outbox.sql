-- name: lock_relay
-- One relay publishes at a time, which keeps the order; the others are told so at once.
-- Locks: the advisory one, until the transaction ends. A statement of its own: the next one must see what the relay
-- before us took.
select pg_try_advisory_xact_lock(%(lock_id)s) as is_ours;

-- name: take_events
-- Moves the oldest events from the outbox to the log, and returns them ready for the stream: one text, in order, of what
-- differs from event to event, with separators that JSON text cannot hold: making JSON of it would cost more than all the
-- rest. They are gone once this transaction commits, after they were published.
-- What was deleted stays in the way until it is vacuumed, so one may begin behind it.
-- Locks: the rows it deletes. An event that a lost connection caused to be written twice has the same id twice: the log
-- keeps one.
with taken as (
    -- An array and not a join, which the planner may turn into a scan of the whole backlog for every batch.
    delete from ordinaut.outbox
    where outbox_id = any(array(
        select o.outbox_id from ordinaut.outbox o where o.outbox_id > %(after)s order by o.outbox_id limit %(limit)s))
    returning outbox_id, event_id, type, subject, run_id, data, occurred_at
), logged as (
    insert into ordinaut.event_log (event_id, sequence, type, subject, run_id, data, occurred_at)
    select event_id, outbox_id, type, subject, run_id, data, occurred_at from taken
    on conflict (published_at, event_id) do nothing
)
select count(*) as events, max(t.outbox_id) as newest, 'ordinaut/' || i.installation_id as source, string_agg(concat_ws(E'\x1f',
    -- Compared as text, so all are as long as the longest.
    lpad(t.outbox_id::text, 19, '0'), t.event_id, 'ordinaut.' || t.type, translate(t.subject, E'\x1e\x1f', ''),
    to_char(t.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), coalesce(t.run_id::text, ''), t.data),
    E'\x1e' order by t.outbox_id) as entries
from taken t cross join ordinaut.installation i
group by i.installation_id;
