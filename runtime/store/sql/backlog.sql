-- Runs that wait for their turn: which of them may begin. Whoever ends a run that is `followed`, or puts one into the
-- backlog, looks here once that is committed; a scheduler looks now and then for whoever could not.

-- name: list_unwatched_turns
-- Tasks with a run in the backlog and no active run whose end would be followed by a look: somebody ended too soon.
select b.task_uid
from (select distinct task_uid from ordinaut.backlog) b
where not exists (
    select from ordinaut.run r
    join ordinaut.due_work w on w.run_id = r.run_id
    where r.task_uid = b.task_uid and r.finished_at is null and w.followed)
limit %(limit)s;

-- name: lock_tasks
-- Before `release_turns`, in its transaction: one looks at a task at a time, and its request for a run comes before or after.
-- Locks: the tasks' documents, by uid.
select uid from ordinaut.spec where uid = any(%(task_uids)s::bigint[]) order by uid for no key update;

-- name: lock_idle_tasks
-- As `lock_tasks`, of those that nobody holds: an apply may hold some for long, and the others need not wait for it.
select uid from ordinaut.spec where uid = any(%(task_uids)s::bigint[]) order by uid for no key update skip locked;

-- name: release_turns
-- Lets the first waiting run of each of these tasks begin, if nothing of the task is active; what waited beyond its start
-- deadline is skipped. Where runs may overlap, a backfill waits for nothing but its own. Answers with the tasks where a
-- run still waits for one that is active, and whether one was skipped that a step of another run waits for.
-- Locks: those backlog rows, by run.
with first as materialized (
    select f.run_id, f.task_uid
    from unnest(%(task_uids)s::bigint[]) as t(uid)
    cross join lateral (
        select b.run_id, b.task_uid from ordinaut.backlog b
        where b.task_uid = t.uid and b.start_until >= ordinaut.now()
        order by b.rank, b.run_id
        limit 1
    ) f
), free as materialized (
    select f.run_id
    from first f
    join ordinaut.spec p on p.uid = f.task_uid
    where not exists (
        select from ordinaut.run r
        where r.task_uid = f.task_uid and r.finished_at is null
            and (p.body ->> 'overlap' <> 'allow' or r.trigger = 'backfill')
            and not exists (select from ordinaut.backlog b where b.run_id = r.run_id))
), held as materialized (
    select b.run_id, b.start_until < ordinaut.now() as is_late
    from ordinaut.backlog b
    where b.task_uid = any(%(task_uids)s::bigint[])
        and (b.start_until < ordinaut.now() or b.run_id in (select run_id from free))
    order by b.run_id
    for update of b
), taken as (
    delete from ordinaut.backlog b using held h where b.run_id = h.run_id returning b.*, h.is_late
), new_work as (
    insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, start_until, lane, followed)
    select t.run_id, t.task_uid, t.revision_id, greatest(ordinaut.now(), t.ready_at), t.start_until, t.lane,
        exists (select from ordinaut.backlog b where b.task_uid = t.task_uid and b.run_id <> t.run_id)
    from taken t
    where not t.is_late
    returning task_uid
), skipped as (
    update ordinaut.run r
    set state = 'skipped', reason = 'start_deadline', finished_at = ordinaut.now()
    from taken t
    where r.run_id = t.run_id and t.is_late
    returning r.run_id, r.task_uid, r.trigger, r.occurrence_for, r.reason
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'run.skipped', t.label, k.run_id, jsonb_build_object(
        'task', t.label, 'run_id', k.run_id, 'trigger', k.trigger, 'occurrence_for', k.occurrence_for, 'reason', k.reason)
    from skipped k
    cross join lateral (
        select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end as label
        from ordinaut.spec s where s.uid = k.task_uid) t
    order by k.run_id
)
select
    (select count(*) from new_work) as released,
    exists (select from skipped where trigger = 'run') as is_related,
    array(select task_uid from first except select task_uid from new_work) as blocked;

-- name: follow_active
-- Marks the active runs of these tasks: whoever ends them looks. Answers with the tasks that had any; what ended meanwhile
-- is gone, and the backlog must be looked at again.
-- Locks: the due_work rows, by run, as `record_progress` does.
-- Runs are looked up apart: what is read together with rows that are locked may be read again, partition by partition.
with active as materialized (
    select run_id from ordinaut.run
    where task_uid = any(%(task_uids)s::bigint[]) and finished_at is null
), held as materialized (
    select w.run_id
    from active a
    join ordinaut.due_work w on w.run_id = a.run_id
    order by w.run_id
    for update of w
)
update ordinaut.due_work w set followed = true from held h where w.run_id = h.run_id returning w.task_uid;

-- name: make_way
-- Before `read_standing`, in the transaction of `keep_others_from_starting`: ends runs of the task that a new one need not
-- meet. With `replaces` those are the active ones and those that wait, backfills excepted; in any case those that have not
-- begun by their start deadline. Whoever executes one finds its lease gone. Those with steps of `finally` go on with these.
-- The same ends as in `fire_schedules`, which lets in the occurrences of many tasks; whoever changes one changes both.
-- Locks: backlog rows, then due_work rows, each by run.
with held_back as materialized (
    select b.run_id, b.start_until < ordinaut.now() as is_late
    from ordinaut.backlog b
    where b.task_uid = %(task_uid)s and (%(replaces)s and b.rank = 0 or b.start_until < ordinaut.now())
    order by b.run_id
    for update
), unqueued as (
    delete from ordinaut.backlog b using held_back h where b.run_id = h.run_id returning b.run_id, h.is_late
), active as materialized (
    select run_id, trigger from ordinaut.run
    where task_uid = %(task_uid)s and finished_at is null
), held as materialized (
    select w.run_id, w.lease_epoch = 0 and w.start_until < ordinaut.now() as is_late
    from active r
    join ordinaut.due_work w on w.run_id = r.run_id
    where (select count(*) from unqueued) >= 0
        and (%(replaces)s and r.trigger <> 'backfill' or w.lease_epoch = 0 and w.start_until < ordinaut.now())
    order by w.run_id
    for update of w
), ending as materialized (
    select run_id, is_late, case when is_late then 'none'
        else ordinaut.begin_finally(run_id, 'overlap', null, null) end as last
    from held
), dropped as (
    delete from ordinaut.due_work w using ending h where w.run_id = h.run_id and h.last = 'none' returning w.run_id, h.is_late
), ended as (
    update ordinaut.run r
    set state = case when e.is_late then 'skipped' else 'cancelled' end,
        reason = case when e.is_late then 'start_deadline' else 'overlap' end, finished_at = ordinaut.now()
    from (select run_id, is_late from dropped union all select run_id, is_late from unqueued) e
    where r.run_id = e.run_id
    returning r.run_id, r.state, r.reason, r.trigger, r.occurrence_for, r.started_at
)
insert into ordinaut.event_log (type, subject, run_id, data)
select 'run.' || e.state, t.label, e.run_id, jsonb_build_object(
    'task', t.label, 'run_id', e.run_id, 'trigger', e.trigger, 'occurrence_for', e.occurrence_for, 'reason', e.reason)
    || case e.state when 'cancelled' then jsonb_build_object(
        'seconds', coalesce(round(extract(epoch from ordinaut.now() - e.started_at), 3), 0)) else '{}' end
from ended e
cross join (
    select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end as label
    from ordinaut.spec s where s.uid = %(task_uid)s) t
order by e.run_id;

-- name: read_standing
-- What a new run of the task meets.
select a.runs, a.runs or a.backfills or b.any_rank > 0 as is_busy, b.rank_0 as waits
from (
    select coalesce(bool_or(r.trigger <> 'backfill'), false) as runs,
        coalesce(bool_or(r.trigger = 'backfill'), false) as backfills
    from ordinaut.run r
    where r.task_uid = %(task_uid)s and r.finished_at is null
        and not exists (select from ordinaut.backlog b where b.run_id = r.run_id)
) a
cross join (
    select count(*) as any_rank, count(*) filter (where rank = 0) as rank_0
    from ordinaut.backlog where task_uid = %(task_uid)s
) b;

-- name: list_backfill_tries
-- How often each of these occurrences was filled in, and whether a backfill leaves it alone: a run for it, by its schedule or
-- by a backfill, succeeded or is going to. One that failed or was cancelled is filled in again.
select w.occurrence_for, count(b.run_id) as tries,
    coalesce(bool_or(b.state not in ('skipped', 'failed', 'cancelled')), false) or exists (
        select from ordinaut.run r
        where r.run_id = w.schedule_run_id and r.state not in ('skipped', 'failed', 'cancelled')) as is_decided
from unnest(%(schedule_run_ids)s::uuid[], %(occurrence_fors)s::timestamptz[]) as w(schedule_run_id, occurrence_for)
left join lateral (
    select r.run_id, r.state from ordinaut.run r
    where r.task_uid = %(task_uid)s and r.run_id >= ordinaut.run_id_floor(w.occurrence_for)
        and r.run_id < ordinaut.run_id_floor(w.occurrence_for + interval '1 millisecond')
        and r.trigger = 'backfill' and r.occurrence_for = w.occurrence_for) b on true
group by w.schedule_run_id, w.occurrence_for;

-- name: queue_backfill
-- Runs for occurrences of the past, behind whatever else waits. They are due from now on: nobody is late who was not asked.
with new_run as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state, requested_by, tzdata)
    select w.run_id, %(task_uid)s, %(revision_id)s, 'backfill', w.trigger_key, w.occurrence_for, ordinaut.now(), 'queued',
        %(requested_by)s, %(tzdata)s
    from unnest(%(run_ids)s::uuid[], %(trigger_keys)s::text[], %(occurrence_fors)s::timestamptz[])
        as w(run_id, trigger_key, occurrence_for)
    on conflict (run_id) do nothing
    returning run_id, occurrence_for
), new_waiting as (
    insert into ordinaut.backlog (run_id, task_uid, revision_id, rank, ready_at, lane)
    select run_id, %(task_uid)s, %(revision_id)s, 1, ordinaut.now(), %(lane)s from new_run
)
select occurrence_for from new_run order by occurrence_for;
