-- Runs that need a slot of a concurrency key before they may be claimed.

-- name: lock_gate
-- One looks at a time: what the look before gave away is seen by the next.
select pg_advisory_xact_lock(%(lock_id)s);

-- name: list_unnamed_runs
-- Runs at the gate whose key nobody has worked out yet, and what it is made of.
select w.run_id, w.task_uid, w.revision_id, r.occurrence_for, r.params, r.event
from ordinaut.due_work w
join ordinaut.run r on r.run_id = w.run_id
where w.lane > 100 and w.slot_key is null and w.ready_at <= ordinaut.now()
order by w.ready_at, w.run_id
limit %(limit)s;

-- name: name_slot_keys
update ordinaut.due_work w
set slot_key = n.slot_key
from unnest(%(run_ids)s::uuid[], %(slot_keys)s::text[]) as n(run_id, slot_key)
where w.run_id = n.run_id and w.lane > 100
returning w.run_id;

-- name: pass_late_runs
-- Lets runs through that are past their start deadline: they need no slot for not to begin.
update ordinaut.due_work w
set lane = w.lane - 100
where w.lane > 100 and w.ready_at <= ordinaut.now() and w.start_until < ordinaut.now()
returning w.run_id;

-- name: fail_gated_run
-- A run whose key cannot be made never begins.
-- Locks: the due_work row.
with held as materialized (
    select w.run_id from ordinaut.due_work w where w.run_id = %(run_id)s and w.lane > 100 for update
), dropped as (
    delete from ordinaut.due_work w using held h where w.run_id = h.run_id returning w.run_id, w.task_uid, w.followed
), ended as (
    update ordinaut.run r set state = 'failed', error = %(error)s, finished_at = ordinaut.now()
    from dropped d
    where r.run_id = d.run_id
    returning r.run_id, r.trigger, r.occurrence_for, d.task_uid, d.followed
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'run.failed', t.label, e.run_id, jsonb_build_object(
        'task', t.label, 'run_id', e.run_id, 'trigger', e.trigger, 'occurrence_for', e.occurrence_for, 'seconds', 0,
        'error', %(error)s::jsonb)
    from ended e
    cross join lateral (
        select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end as label
        from ordinaut.spec s where s.uid = e.task_uid) t
)
select run_id, case when followed then task_uid end as turn,
    case when exists (select from ordinaut.spec s where s.uid = task_uid and s.body ? 'pause_after_failures')
        then task_uid end as failing,
    false as frees
from ended;

-- name: list_gate_keys
-- The keys that are waited for, each with the revision whose limit counts: that of the run that has waited longest.
select distinct on (slot_key) slot_key, task_uid, revision_id
from ordinaut.due_work
where lane > 100 and slot_key is not null and ready_at <= ordinaut.now()
order by slot_key, ready_at, run_id;

-- name: take_slots
-- Gives free slots to the runs that wait for them, a step of priority being worth 30 s of waiting as in a claim, and lets
-- those through. A slot belongs to one row, so two runs cannot hold it; it is taken over where its holder is over. Where a
-- limit was lowered, those that hold slots beyond it count until they end.
-- Locks: the due_work rows that are let through; in `lock_gate`.
with wanted as materialized (
    select k.slot_key, k.slots, k.slots - (
        select count(*) from ordinaut.concurrency_slot c
        join ordinaut.due_work h on h.run_id = c.run_id
        where c.slot_key = k.slot_key) as room
    from unnest(%(slot_keys)s::text[], %(limits)s::integer[]) as k(slot_key, slots)
), free as materialized (
    select w.slot_key, s.slot, row_number() over (partition by w.slot_key order by s.slot) as place
    from wanted w
    cross join lateral generate_series(1, w.slots) as s(slot)
    where w.room > 0 and not exists (
        select from ordinaut.concurrency_slot c
        join ordinaut.due_work h on h.run_id = c.run_id
        where c.slot_key = w.slot_key and c.slot = s.slot)
), next as materialized (
    select n.run_id, w.slot_key, row_number() over (partition by w.slot_key order by n.turn_at, n.run_id) as place
    from wanted w
    cross join lateral (
        select d.run_id, d.ready_at + make_interval(secs => 30 * (109 - d.lane)) as turn_at
        from ordinaut.due_work d
        where d.slot_key = w.slot_key and d.lane > 100 and d.ready_at <= ordinaut.now()
        order by 2, d.run_id
        limit greatest(w.room, 0)
        for update skip locked
    ) n
), taken as (
    insert into ordinaut.concurrency_slot as c (slot_key, slot, run_id)
    select f.slot_key, f.slot, n.run_id
    from free f
    join next n on n.slot_key = f.slot_key and n.place = f.place
    order by f.slot_key, f.slot
    on conflict (slot_key, slot) do update set run_id = excluded.run_id, taken_at = ordinaut.now()
    where not exists (select from ordinaut.due_work h where h.run_id = c.run_id)
    returning c.run_id
)
update ordinaut.due_work d set lane = d.lane - 100 from taken t where d.run_id = t.run_id returning d.run_id;

-- name: clear_slots
-- Forgets slots whose run is over: keys made of parameters would add up. In `lock_gate`, now and then.
delete from ordinaut.concurrency_slot c
where not exists (select from ordinaut.due_work h where h.run_id = c.run_id);

-- name: list_slot_holders
-- Who holds the slots of a key, and how many runs wait for one.
select c.slot, c.run_id, c.taken_at, p.namespace, p.name
from ordinaut.concurrency_slot c
join ordinaut.due_work h on h.run_id = c.run_id
join ordinaut.spec p on p.uid = h.task_uid
where c.slot_key = %(slot_key)s
order by c.slot;
