-- name: cancel_run
-- Ends a run that is not over, wherever it stands: it waits for its turn, is queued, sleeps, or is being executed. Its row in
-- the queue goes with its state, so a report of its holder comes either before this, and then there is nothing to cancel, or
-- finds its lease gone. Where it has steps of `finally`, it is over after them, unless it is to end at once; `last` says whether
-- they begin, or go on because it had come to them.
-- No row if it is over, or moves at this moment from one queue to the other.
-- Locks: its backlog row, then its due_work row.
with waiting as materialized (
    select b.run_id from ordinaut.backlog b where b.run_id = %(run_id)s for update
), unqueued as (
    delete from ordinaut.backlog b using waiting h where b.run_id = h.run_id returning b.run_id
), held as materialized (
    select w.run_id, w.task_uid, w.lease_until > ordinaut.now() as is_held from ordinaut.due_work w
    where w.run_id = %(run_id)s and (select count(*) from unqueued) >= 0
    for update
), judged as materialized (
    select h.*, case when %(at_once)s then 'none'
        else ordinaut.begin_finally(h.run_id, 'cancelled', %(actor)s, %(detail)s) end as last
    from held h
), dropped as (
    delete from ordinaut.due_work w using judged h where w.run_id = h.run_id and h.last = 'none'
    returning w.run_id, w.followed, h.is_held, w.slot_key is not null and w.lane < 100 as has_slot
), ended as (
    update ordinaut.run r
    set state = 'cancelled', reason = 'cancelled', detail = coalesce(nullif(%(detail)s::text, ''), r.detail), ended_by = %(actor)s,
        finished_at = ordinaut.now()
    from (
        select run_id, followed, is_held, has_slot from dropped
        union all
        select run_id, false, false, false from unqueued) e
    where r.run_id = e.run_id
    returning r.run_id, r.task_uid, r.trigger, r.occurrence_for, r.started_at, e.followed, e.is_held, e.has_slot
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'run.cancelled', t.label, e.run_id, jsonb_build_object(
        'task', t.label, 'run_id', e.run_id, 'trigger', e.trigger, 'occurrence_for', e.occurrence_for,
        'reason', 'cancelled', 'actor', %(actor)s::text,
        'seconds', coalesce(round(extract(epoch from ordinaut.now() - e.started_at), 3), 0))
        || case %(detail)s::text when '' then '{}' else jsonb_build_object('detail', %(detail)s::text) end
    from ended e
    cross join lateral (
        select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end as label
        from ordinaut.spec s where s.uid = e.task_uid) t
)
select task_uid, (
    select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end
    from ordinaut.spec s where s.uid = e.task_uid) as task, followed, is_held, has_slot, last, trigger = 'run' or exists (
    select from ordinaut.wait w where w.run_id = e.run_id and w.kind = 'run' and w.answered_at is null) as is_related
from (
    select run_id, task_uid, followed, is_held, has_slot, trigger, 'none' as last from ended
    union all
    select run_id, task_uid, false, is_held and last = 'begins', false, '', last from judged where last <> 'none') e;

-- name: tell_ended
-- Runs were ended over the heads of whoever executes them: all look at once whether they still hold theirs. Out of band, as
-- `wake`; should it be lost, the next renewal finds the same.
notify ordinaut_wake, 'ended';
