-- name: arm_conditions
-- The conditions of these tasks as a new revision has them. One that asks and judges as before keeps what it remembers, and
-- its next poll unless it comes more or less often now, or calendars had put it off; any other is forgotten, or begins anew.
-- Locks: the condition rows, after the documents and schedules, as a firing poll does. A poll under way loses its lease, as
-- it may not see that its task is at another revision now; what it asked is asked again at once.
with wanted as materialized (
    select w.task_uid, w.digest, w.position, w.every, w.next_poll_at
    from unnest(%(owners)s::bigint[], %(digests)s::text[], %(positions)s::smallint[], %(everys)s::interval[],
                %(next_poll_ats)s::timestamptz[]) as w(task_uid, digest, position, every, next_poll_at)
), gone as (
    delete from ordinaut.condition c
    where c.task_uid = any(%(task_uids)s::bigint[])
        and not exists (select from wanted w where w.task_uid = c.task_uid and w.digest = c.digest)
)
insert into ordinaut.condition (task_uid, digest, position, every, next_poll_at)
select task_uid, digest, position, every, next_poll_at from wanted order by task_uid, digest
on conflict (task_uid, digest) do update
set position = excluded.position, every = excluded.every, lease_epoch = ordinaut.condition.lease_epoch + 1,
    runtime_id = null,
    next_poll_at = case when ordinaut.condition.runtime_id is not null then ordinaut.now()
                        when ordinaut.condition.every = excluded.every
                            then least(ordinaut.condition.next_poll_at, excluded.next_poll_at)
                        else excluded.next_poll_at end;

-- name: claim_polls
-- Leases conditions that it is time to ask about, the longest due first. Until the lease ends nobody else finds it time.
-- Locks: the claimed rows, skipping those that others hold. A paused task is not asked about.
with candidate as materialized (
    select c.task_uid, c.digest
    from ordinaut.condition c
    join ordinaut.spec p on p.uid = c.task_uid
    where c.next_poll_at <= ordinaut.now() and p.retired_at is null and not ordinaut.is_paused(c.task_uid)
    order by c.next_poll_at
    limit %(limit)s
    for update of c skip locked
), leased as (
    update ordinaut.condition c
    set next_poll_at = ordinaut.now() + %(lease)s, lease_epoch = c.lease_epoch + 1, runtime_id = %(runtime_id)s
    from candidate d
    where c.task_uid = d.task_uid and c.digest = d.digest
    returning c.task_uid, c.digest, c.position, c.every, c.lease_epoch, c.phase, c.met_since
)
select l.task_uid, l.digest, l.position, l.every, l.lease_epoch, l.phase, l.met_since, p.revision_id, p.project, p.body,
    ordinaut.now() as now
from leased l
join ordinaut.spec p on p.uid = l.task_uid;

-- name: renew_poll
-- Keeps the lease of a poll under way; no row if another runtime took it or an apply forgot the condition.
update ordinaut.condition set next_poll_at = ordinaut.now() + %(lease)s
where task_uid = %(task_uid)s and digest = %(digest)s and lease_epoch = %(lease_epoch)s
returning task_uid;

-- name: release_poll
-- Hands a condition back unasked, or with an answer that was not written: whoever comes next asks.
update ordinaut.condition set next_poll_at = ordinaut.now(), runtime_id = null
where task_uid = %(task_uid)s and digest = %(digest)s and lease_epoch = %(lease_epoch)s;

-- name: put_off_poll
-- Hands a condition back unasked until calendars let it be asked. What it remembers stays.
update ordinaut.condition set next_poll_at = %(next_poll_at)s, runtime_id = null
where task_uid = %(task_uid)s and digest = %(digest)s and lease_epoch = %(lease_epoch)s;

-- name: settle_poll
-- Everything that an answer does: what the condition remembers, when it is asked next, that it no longer fails, and the run
-- that it starts, if it has a fate: to begin, to wait for its turn, or the reason why it does not run. Nothing at all where
-- the lease was lost, or the task changed or was paused meanwhile.
-- Locks: the condition row.
with held as materialized (
    select c.task_uid, c.digest, c.position, p.revision_id, (p.body ->> 'priority')::smallint + case when p.body ? 'concurrency' then 100 else 0 end as lane, c.failing_since,
        p.body #>> array['schedule', c.position::text, 'condition', 'uses'] as uses,
        case p.namespace when 'default' then p.name else p.namespace || '/' || p.name end as task
    from ordinaut.condition c
    join ordinaut.spec p on p.uid = c.task_uid
    where c.task_uid = %(task_uid)s and c.digest = %(digest)s and c.lease_epoch = %(lease_epoch)s
        and p.revision_id = %(revision_id)s and p.retired_at is null and not ordinaut.is_paused(c.task_uid)
    for update of c
), settled as (
    update ordinaut.condition c
    set next_poll_at = %(next_poll_at)s, runtime_id = null,
        phase = %(phase)s, met_since = %(met_since)s, answer = %(answer)s, polled_at = ordinaut.now(),
        changed_at = case when (c.met_since is null) = (%(met_since)s::timestamptz is null) then c.changed_at
                          else ordinaut.now() end,
        error = null, failing_since = null
    from held h
    where c.task_uid = h.task_uid and c.digest = h.digest
), new_run as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state, reason, event, decided_by,
         finished_at)
    select %(run_id)s, h.task_uid, h.revision_id, 'condition', h.digest, %(occurrence_for)s, %(asked_at)s,
        case when f.runs then 'queued' else 'skipped' end, case when not f.runs then %(fate)s::text end, %(event)s,
        %(runtime_id)s, case when not f.runs then ordinaut.now() end
    from held h
    cross join (select %(fate)s::text in ('begin', 'wait') as runs) f
    where %(fate)s::text is not null
    on conflict (run_id) do nothing
    returning run_id, task_uid, revision_id, reason
), new_work as (
    insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, start_until, lane)
    select n.run_id, n.task_uid, n.revision_id, ordinaut.now(), coalesce(%(start_until)s::timestamptz, 'infinity'), h.lane
    from new_run n cross join held h
    where %(fate)s::text = 'begin'
), new_waiting as (
    insert into ordinaut.backlog (run_id, task_uid, revision_id, ready_at, start_until, lane)
    select n.run_id, n.task_uid, n.revision_id, ordinaut.now(), coalesce(%(start_until)s::timestamptz, 'infinity'), h.lane
    from new_run n cross join held h
    where %(fate)s::text = 'wait'
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'condition.recovered', h.task, null, jsonb_build_object(
        'task', h.task, 'condition', h.position, 'uses', h.uses, 'failing_since', h.failing_since)
    from held h
    where h.failing_since is not null
    union all
    select 'run.skipped', h.task, n.run_id, jsonb_build_object(
        'task', h.task, 'run_id', n.run_id, 'trigger', 'condition', 'occurrence_for', %(occurrence_for)s::timestamptz,
        'reason', n.reason)
    from new_run n cross join held h
    where n.reason is not null
)
select task_uid from held;

-- name: is_decided
-- Whether a run of this id exists, whatever became of it.
select from ordinaut.run where run_id = %(run_id)s;

-- name: fail_poll
-- A poll without an answer: what the condition remembers stays, the reason is kept, and its first failure is told.
-- Locks: the condition row.
with held as materialized (
    select c.task_uid, c.digest, c.position, c.failing_since,
        p.body #>> array['schedule', c.position::text, 'condition', 'uses'] as uses,
        case p.namespace when 'default' then p.name else p.namespace || '/' || p.name end as task
    from ordinaut.condition c
    join ordinaut.spec p on p.uid = c.task_uid
    where c.task_uid = %(task_uid)s and c.digest = %(digest)s and c.lease_epoch = %(lease_epoch)s
        and p.revision_id = %(revision_id)s
    for update of c
), failed as (
    update ordinaut.condition c
    set next_poll_at = %(next_poll_at)s, runtime_id = null, polled_at = ordinaut.now(),
        error = %(error)s, failing_since = coalesce(c.failing_since, ordinaut.now())
    from held h
    where c.task_uid = h.task_uid and c.digest = h.digest
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select 'condition.failed', h.task, jsonb_build_object(
        'task', h.task, 'condition', h.position, 'uses', h.uses, 'error', %(error)s::jsonb)
    from held h
    where h.failing_since is null
)
select task_uid from held;

-- name: seconds_until_poll
-- How long until it is time to ask, by the server's clock; negative when overdue, no row when there is nothing to ask.
select extract(epoch from c.next_poll_at - ordinaut.now())::float8 as seconds
from ordinaut.condition c
join ordinaut.spec p on p.uid = c.task_uid
where p.retired_at is null and not ordinaut.is_paused(c.task_uid)
order by c.next_poll_at
limit 1;
