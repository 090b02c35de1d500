-- name: lock_task_in_force
-- Locks: the task's document, so that no apply, pause or end of a pause comes between; none for a retired one. Whoever
-- changes an override holds this lock, and takes that of the schedule after it.
select uid from ordinaut.spec where uid = %(task_uid)s and retired_at is null for no key update;

-- name: find_pause
-- The pause in force. Somebody may have paused the schedule by hand: that has no override.
select o.actor, coalesce(o.reason, '') as reason, coalesce(o.created_at, c.paused_at) as since, o.until
from (select %(task_uid)s::bigint as uid) t
left join ordinaut.task_override o on o.task_uid = t.uid and o.kind = 'pause' and o.ended_at is null
left join ordinaut.schedule c on c.task_uid = t.uid
where o.task_uid is not null or c.paused_at is not null;

-- name: set_pause
-- A new pause, or another reason and end for the one in force.
-- Locks: the schedule row; a firing that holds it comes before the pause, one that waits for it fires nothing.
with pause as (
    insert into ordinaut.task_override (task_uid, kind, reason, actor, until)
    values (%(task_uid)s, 'pause', %(reason)s, %(actor)s, %(until)s)
    on conflict (task_uid, kind) where ended_at is null do update
    set reason = excluded.reason, actor = excluded.actor, until = excluded.until
    returning actor, reason, created_at as since, until
), held as (
    update ordinaut.schedule c set paused_at = coalesce(c.paused_at, p.since) from pause p
    where c.task_uid = %(task_uid)s
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select 'task.paused', %(task)s, jsonb_build_object(
        'task', %(task)s::text, 'actor', p.actor, 'reason', p.reason, 'paused_at', p.since, 'until', p.until)
    from pause p
)
select actor, reason, since, until from pause;

-- name: end_pause
-- What fell into the pause is overdue from now on: the scheduler decides it.
with ended as (
    update ordinaut.task_override set ended_at = ordinaut.now()
    where task_uid = %(task_uid)s and kind = 'pause' and ended_at is null
), resumed as (
    update ordinaut.schedule set paused_at = null where task_uid = %(task_uid)s
)
insert into ordinaut.event_log (type, subject, data)
values ('task.resumed', %(task)s, jsonb_build_object(
    'task', %(task)s::text, 'actor', %(actor)s::text, 'paused_at', %(since)s::timestamptz));

-- name: find_snooze
-- The snooze in force.
select o.actor, o.reason, o.created_at as since, o.until, o.kind
from ordinaut.task_override o
where o.task_uid = %(task_uid)s and o.kind = 'snooze' and o.ended_at is null and o.until > ordinaut.now();

-- name: end_passed_snooze
-- A snooze whose time is over, though no runtime came round to it: the next one begins anew.
update ordinaut.task_override set ended_at = until
where task_uid = %(task_uid)s and kind = 'snooze' and ended_at is null and until <= ordinaut.now();

-- name: set_snooze
-- A new snooze, or another reason and end for the one in force. A firing that began before is decided again.
-- Locks: the schedule row.
with snooze as (
    insert into ordinaut.task_override (task_uid, kind, reason, actor, until)
    values (%(task_uid)s, 'snooze', %(reason)s, %(actor)s, %(until)s)
    on conflict (task_uid, kind) where ended_at is null do update
    set reason = excluded.reason, actor = excluded.actor, until = excluded.until
    returning actor, reason, created_at as since, until, kind
), held as (
    update ordinaut.schedule c
    set snoozed_since = s.since, snoozed_until = s.until, generation = generation + 1
    from snooze s
    where c.task_uid = %(task_uid)s
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select 'task.snoozed', %(task)s, jsonb_build_object(
        'task', %(task)s::text, 'actor', s.actor, 'reason', s.reason, 'snoozed_at', s.since, 'until', s.until)
    from snooze s
)
select actor, reason, since, until, kind from snooze;

-- name: end_snooze
-- What fell into it stays left out; what comes from now on is not.
with ended as (
    update ordinaut.task_override set ended_at = ordinaut.now()
    where task_uid = %(task_uid)s and kind = 'snooze' and ended_at is null
), resumed as (
    update ordinaut.schedule set snoozed_until = greatest(snoozed_since, least(snoozed_until, ordinaut.now())),
        generation = generation + 1
    where task_uid = %(task_uid)s and snoozed_until is not null
)
insert into ordinaut.event_log (type, subject, data)
values ('task.resumed', %(task)s, jsonb_build_object(
    'task', %(task)s::text, 'actor', %(actor)s::text, 'paused_at', %(since)s::timestamptz, 'kind', 'snooze'));

-- name: load_task_position
-- Up to where a task's occurrences are decided, and the runs of it that are not over.
select c.cursor_for, coalesce(r.queued, 0) as queued, coalesce(r.in_flight, 0) as in_flight
from (select %(task_uid)s::bigint as uid) t
left join ordinaut.schedule c on c.task_uid = t.uid
cross join lateral (
    select count(*) filter (where state = 'queued') as queued, count(*) filter (where state <> 'queued') as in_flight
    from ordinaut.run
    where task_uid = t.uid and finished_at is null) r;

-- name: pause_failing_task
-- After a failed run is committed: pauses its task if the newest runs that are over, as many as the task in force says, have
-- all failed. Runs that ended before the last pause did are not counted. Of those who come at the same time, the last sees all.
-- Locks: the task's document, as whoever changes an override; then the schedule; then the head of the audit log.
with alone as materialized (
    select uid, case namespace when 'default' then name else namespace || '/' || name end as label,
        (body ->> 'pause_after_failures')::integer as failures
    from ordinaut.spec where uid = %(task_uid)s and retired_at is null and body ? 'pause_after_failures'
    for no key update
), newest as materialized (
    select r.state
    from ordinaut.run r
    where r.task_uid = %(task_uid)s and r.state in ('succeeded', 'failed')
        and r.finished_at > coalesce((
            select max(o.ended_at) from ordinaut.task_override o
            where o.task_uid = %(task_uid)s and o.kind = 'pause'), '-infinity')
    order by r.run_id desc
    limit (select failures from alone)
), pause as (
    insert into ordinaut.task_override (task_uid, kind, reason, actor)
    select uid, 'pause',
        case failures when 1 then 'the last run failed' else format('the last %%s runs failed', failures) end, %(actor)s
    from alone
    where (select count(*) filter (where state = 'failed') from newest) = failures
    on conflict (task_uid, kind) where ended_at is null do nothing
    returning task_uid, reason, actor, created_at
), held as (
    update ordinaut.schedule c set paused_at = coalesce(c.paused_at, p.created_at) from pause p where c.task_uid = p.task_uid
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select 'task.paused', a.label, jsonb_build_object(
        'task', a.label, 'actor', p.actor, 'reason', p.reason, 'paused_at', p.created_at, 'until', null,
        'failures', a.failures)
    from pause p join alone a on a.uid = p.task_uid
), audited as (
    insert into ordinaut.audit (actor, origin, action, subject, reason, details)
    select p.actor, %(origin)s, 'task.pause', a.label, p.reason, jsonb_build_object('failures', a.failures)
    from pause p join alone a on a.uid = p.task_uid
)
select a.label as task, p.reason from pause p join alone a on a.uid = p.task_uid;
