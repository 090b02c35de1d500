-- Runs that wait for their turn: which of them may begin. Whoever ends a run that is `followed`, or puts one into the
-- backlog, looks here once that is committed; a scheduler looks now and then for whoever could not.

-- name: list_unwatched_turns
-- Tasks with a run in the backlog and no active run whose end would be followed by a look: somebody ended too soon.
select b.task_uid
from (select distinct task_uid from ordinaut.backlog) b
where not exists (
    select from ordinaut.run r
    join ordinaut.due_work w on w.run_id = r.run_id
    where r.task_uid = b.task_uid and r.state in ('queued', 'running', 'waiting') and w.followed)
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
-- run still waits for one that is active.
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
        where r.task_uid = f.task_uid and r.state in ('queued', 'running', 'waiting')
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
    insert into ordinaut.outbox (type, subject, run_id, data)
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
    array(select task_uid from first except select task_uid from new_work) as blocked;

-- name: follow_active
-- Marks the active runs of these tasks: whoever ends them looks. Answers with the tasks that had any; what ended meanwhile
-- is gone, and the backlog must be looked at again.
-- Locks: the due_work rows, by run, as `record_progress` does.
with held as materialized (
    select w.run_id
    from ordinaut.run r
    join ordinaut.due_work w on w.run_id = r.run_id
    where r.task_uid = any(%(task_uids)s::bigint[]) and r.state in ('queued', 'running', 'waiting')
    order by w.run_id
    for update of w
)
update ordinaut.due_work w set followed = true from held h where w.run_id = h.run_id returning w.task_uid;
