-- name: lock_relay
-- One relay publishes at a time, which keeps the order; the others are told so at once.
-- Locks: the advisory one, until the transaction ends. A statement of its own: the next one must see what the relay
-- before us took.
select pg_try_advisory_xact_lock(%(lock_id)s) as is_ours;

-- name: await_relay
-- The same for what may wait for its turn.
-- Locks: the advisory one, until the transaction ends.
select pg_advisory_xact_lock(%(lock_id)s);

-- name: take_events
-- Takes the oldest bundles from the outbox, and returns their events from the log, ready for the stream: one text, in order,
-- of what differs from event to event, with separators that JSON text cannot hold: making JSON of it would cost more than
-- all the rest. The bundles are gone, and the events noted as published, once this transaction commits, after they were.
-- What was deleted stays in the way until it is vacuumed, so one may begin behind it; what is published again is before it.
-- Locks: the rows it deletes, the newest row of what was published.
with waiting as (
    (select outbox_id, sequences from ordinaut.outbox where outbox_id < 0 order by outbox_id limit %(limit)s)
    union all
    (select outbox_id, sequences from ordinaut.outbox
    where outbox_id > greatest(%(after)s, 0) order by outbox_id limit %(limit)s)
    order by outbox_id limit %(limit)s
),
taken as (
    -- An array and not a join, which the planner may turn into a scan of the whole backlog for every batch.
    delete from ordinaut.outbox
    where outbox_id = any(array(
        select b.outbox_id
        from (
            select w.outbox_id, sum(cardinality(w.sequences)) over (order by w.outbox_id) - cardinality(w.sequences) as before
            from waiting w) b
        where b.before < %(limit)s))
    returning outbox_id, occurred_at, sequences
),
newest as (
    select first_batch, last_batch, published_at from ordinaut.published
    where bus = %(bus)s order by first_batch desc limit 1
),
forgotten as (
    delete from ordinaut.published
    where bus = %(bus)s and published_at < ordinaut.now() - %(remembered)s and first_batch = any(array(
        select first_batch from ordinaut.published where bus = %(bus)s order by first_batch limit 2))
),
batch as (
    select nextval('ordinaut.batch_number') as number, count(*) as events, min(t.occurred_at) as occurred_from,
        range_agg(int8range(s, s + 1)) as sequences
    from taken t cross join unnest(t.sequences) s
    having count(*) > 0
),
noted as (
    insert into ordinaut.published as p (bus, first_batch, last_batch, published_at, events, occurred_from, sequences)
    select %(bus)s, coalesce(n.first_batch, b.number), b.number, ordinaut.now(), b.events, b.occurred_from, b.sequences
    from batch b left join newest n on n.published_at > ordinaut.now() - interval '1 second'
    on conflict (bus, first_batch) do update
    set last_batch = excluded.last_batch, events = p.events + excluded.events,
        occurred_from = least(p.occurred_from, excluded.occurred_from), sequences = p.sequences + excluded.sequences
)
select coalesce(sum(cardinality(t.sequences)), 0)::integer as events, coalesce(max(t.outbox_id), 0) as newest,
    'ordinaut/' || i.installation_id as source,
    coalesce((select number from batch), 0) as number, coalesce((select last_batch from newest), 0) as last_number,
    coalesce(string_agg(e.entries, E'\x1e' order by t.outbox_id), '') as entries
from ordinaut.installation i
left join taken t on true
left join lateral (
    select string_agg(concat_ws(E'\x1f',
        -- Compared as text, so all are as long as the longest.
        lpad(l.sequence::text, 19, '0'), l.event_id, 'ordinaut.' || l.type, translate(l.subject, E'\x1e\x1f', ''),
        to_char(l.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), coalesce(l.run_id::text, ''), l.data),
        E'\x1e' order by l.sequence) as entries
    from ordinaut.event_log l
    where l.occurred_at = t.occurred_at and l.sequence = any(t.sequences)) e on true
group by i.installation_id;

-- name: take_back
-- Puts into the outbox again what a Redis lost: what was published after the last batch that it has, to the second, and no
-- more than the stream can hold. One that nobody knows is new, or lost even its id: it lacks everything. It is known from now on.
-- Returns how many events those are, when the first of them was published, and whether they are all that it lost: what goes
-- on before the oldest that is remembered nobody knows.
-- Locks: the rows of what was published, which it deletes.
with known as (
    select exists (select from ordinaut.published where bus = %(bus)s) as is_known
),
lost as (
    delete from ordinaut.published p using known k
    where case when k.is_known then p.bus = %(bus)s and p.last_batch > %(held)s else p.bus <> %(bus)s end
    returning p.*
),
counted as (
    select l.*, sum(l.events) over (order by l.first_batch desc) - l.events as newer from lost l where l.events > 0
),
wanted as (
    select range_agg(c.sequences) filter (where c.newer < %(most)s) as sequences,
        min(c.occurred_from) filter (where c.newer < %(most)s) as occurred_from,
        min(c.published_at) filter (where c.newer < %(most)s) as since,
        bool_and(c.newer < %(most)s) and exists (
            select from ordinaut.published p where p.bus = %(bus)s and p.last_batch <= greatest(%(held)s, 0)) as is_all
    from counted c
),
marked as (
    insert into ordinaut.published (bus, first_batch, last_batch, published_at, events, occurred_from, sequences)
    values (%(bus)s, 0, 0, ordinaut.now(), 0, ordinaut.now(), '{}')
    on conflict (bus, first_batch) do nothing
),
bundles as (
    select e.occurred_at, array_agg(e.sequence order by e.sequence) as sequences
    from wanted w
    join ordinaut.event_log e on e.occurred_at >= w.occurred_from and e.sequence <@ w.sequences
    group by e.occurred_at, e.sequence / 500
),
queued as (
    insert into ordinaut.outbox (outbox_id, occurred_at, sequences) overriding system value
    select least(0, (select min(o.outbox_id) from ordinaut.outbox o)) - row_number() over (order by b.sequences[1] desc),
        b.occurred_at, b.sequences
    from bundles b
    returning cardinality(sequences) as events
)
select coalesce((select sum(events) from queued), 0)::bigint as events, w.since, coalesce(w.is_all, true) as is_all
from wanted w;

-- name: replay_events
-- Puts events of the log into the outbox again, in order and before everything else; or says only how many those would be.
-- What waits there already is left out.
-- Locks: none but on what it writes; the caller holds the one of `await_relay`, as two would choose the same numbers.
with wanted as (
    select l.occurred_at, l.sequence
    from ordinaut.event_log l
    where (%(from_at)s::timestamptz is null or l.occurred_at >= %(from_at)s)
        and (%(to_at)s::timestamptz is null or l.occurred_at <= %(to_at)s)
        and (%(from_sequence)s::bigint is null or l.sequence >= %(from_sequence)s)
        and (%(to_sequence)s::bigint is null or l.sequence <= %(to_sequence)s)
        and (%(types)s::text[] is null or l.type = any(%(types)s))
        and (%(run_id)s::uuid is null or l.run_id = %(run_id)s)
        and not exists (
            select from ordinaut.outbox o where o.occurred_at = l.occurred_at and l.sequence = any(o.sequences))
),
bundles as (
    select w.occurred_at, array_agg(w.sequence order by w.sequence) as sequences
    from wanted w where not %(is_dry)s
    group by w.occurred_at, w.sequence / 500
),
queued as (
    insert into ordinaut.outbox (outbox_id, occurred_at, sequences) overriding system value
    select least(0, (select min(o.outbox_id) from ordinaut.outbox o)) - row_number() over (order by b.sequences[1] desc),
        b.occurred_at, b.sequences
    from bundles b
    returning outbox_id
)
select count(*) as events, min(w.occurred_at) as first_at, max(w.occurred_at) as last_at, min(w.sequence) as first_sequence,
    max(w.sequence) as last_sequence, (select min(outbox_id) from queued) as first_id,
    (select max(outbox_id) from queued) as last_id
from wanted w;

-- name: count_replayed
-- How many events are still to be published again, of those between two numbers of the outbox.
select coalesce(sum(cardinality(sequences)), 0) as events
from ordinaut.outbox where outbox_id between %(first_id)s and %(last_id)s;

-- name: look_at_log
-- When the oldest event happened that is kept, whether there is a relay, and the time.
select (select min(occurred_at) from ordinaut.event_log) as oldest_at, ordinaut.now() as now,
    exists (
        select from ordinaut.runtime r
        where r.stopped_at is null and r.heartbeat_at > ordinaut.now() - interval '15 seconds' and 'relay' = any(r.duties)) as has_relay;
