-- name: lock_relay
-- One relay publishes at a time, which keeps the order; the others are told so at once.
-- Locks: the advisory one, until the transaction ends. A statement of its own: the next one must see what the relay
-- before us took.
select pg_try_advisory_xact_lock(%(lock_id)s) as is_ours;

-- name: take_events
-- Takes the oldest bundles from the outbox, and returns their events from the log, ready for the stream: one text, in order,
-- of what differs from event to event, with separators that JSON text cannot hold: making JSON of it would cost more than
-- all the rest. The bundles are gone once this transaction commits, after their events were published.
-- What was deleted stays in the way until it is vacuumed, so one may begin behind it.
-- Locks: the rows it deletes.
with taken as (
    -- An array and not a join, which the planner may turn into a scan of the whole backlog for every batch.
    delete from ordinaut.outbox
    where outbox_id = any(array(
        select b.outbox_id
        from (
            select o.outbox_id, sum(cardinality(o.sequences)) over (order by o.outbox_id) - cardinality(o.sequences) as before
            from (
                select outbox_id, sequences from ordinaut.outbox
                where outbox_id > %(after)s order by outbox_id limit %(limit)s) o) b
        where b.before < %(limit)s))
    returning outbox_id, occurred_at, sequences
)
select sum(cardinality(t.sequences))::integer as events, max(t.outbox_id) as newest, 'ordinaut/' || i.installation_id as source,
    coalesce(string_agg(e.entries, E'\x1e' order by t.outbox_id), '') as entries
from taken t
cross join ordinaut.installation i
left join lateral (
    select string_agg(concat_ws(E'\x1f',
        -- Compared as text, so all are as long as the longest.
        lpad(l.sequence::text, 19, '0'), l.event_id, 'ordinaut.' || l.type, translate(l.subject, E'\x1e\x1f', ''),
        to_char(l.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), coalesce(l.run_id::text, ''), l.data),
        E'\x1e' order by l.sequence) as entries
    from ordinaut.event_log l
    where l.occurred_at = t.occurred_at and l.sequence = any(t.sequences)) e on true
group by i.installation_id;
