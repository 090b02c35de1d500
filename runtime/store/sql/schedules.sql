-- name: list_due_schedules
-- What time has reached, most overdue first, without what this runtime cannot expand. No lock: firing compares and sets.
select s.task_uid, s.generation, s.cursor_for, p.revision_id, p.body, ordinaut.now() as now
from ordinaut.schedule s
join ordinaut.spec p on p.uid = s.task_uid
where s.next_due_at <= ordinaut.now() and s.paused_at is null and p.retired_at is null
    and not exists (
        select from unnest(%(broken_uids)s::bigint[], %(broken_revisions)s::bigint[]) as broken(uid, revision_id)
        where broken.uid = s.task_uid and broken.revision_id = p.revision_id)
order by s.next_due_at
limit %(limit)s;

-- name: fire_schedules
-- Advances schedules, creates their runs and queues them: all or nothing for each schedule, however many race.
-- Locks: the schedule rows, in order of task. A schedule that another runtime advanced, or that an apply changed, no
-- longer matches (task_uid, generation, cursor_for), and nothing of its firing is written.
with firing as materialized (
    select * from jsonb_to_recordset(%(firings)s) as f(
        task_uid bigint, generation integer, expected_cursor timestamptz, cursor_for timestamptz,
        next_for timestamptz, next_due_at timestamptz)
), locked as materialized (
    select s.task_uid
    from ordinaut.schedule s
    join firing f on f.task_uid = s.task_uid
    where s.generation = f.generation and s.cursor_for = f.expected_cursor and s.paused_at is null
    order by s.task_uid
    for update of s
), advanced as (
    update ordinaut.schedule s
    set cursor_for = f.cursor_for, next_for = f.next_for, next_due_at = f.next_due_at
    from firing f
    join locked l on l.task_uid = f.task_uid
    where s.task_uid = f.task_uid
    returning s.task_uid
), decision as materialized (
    select d.*
    from jsonb_to_recordset(%(decisions)s) as d(
        run_id uuid, task_uid bigint, task text, revision_id bigint, occurrence_for timestamptz, due_at timestamptz,
        lane smallint, may_overlap boolean, reason text)
    join advanced a on a.task_uid = d.task_uid
), judged as materialized (
    select d.*,
        coalesce(d.reason, case
            when not d.may_overlap and exists (
                select from ordinaut.run r
                where r.task_uid = d.task_uid and r.state in ('queued', 'running', 'waiting'))
            then 'overlap' end) as skip_reason
    from decision d
), new_run as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, occurrence_for, due_at, state, reason, finished_at)
    select run_id, task_uid, revision_id, 'schedule', occurrence_for, due_at,
        case when skip_reason is null then 'queued' else 'skipped' end, skip_reason,
        case when skip_reason is not null then ordinaut.now() end
    from judged
    on conflict (run_id) do nothing
    returning run_id, state, reason
), new_work as (
    insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, lane)
    select j.run_id, j.task_uid, j.revision_id, greatest(ordinaut.now(), j.due_at), j.lane
    from judged j join new_run n on n.run_id = j.run_id and n.state = 'queued'
), told as (
    insert into ordinaut.outbox (type, subject, run_id, data)
    select 'run.skipped', j.task, j.run_id, jsonb_build_object(
        'task', j.task, 'run_id', j.run_id, 'trigger', 'schedule', 'occurrence_for', j.occurrence_for,
        'reason', n.reason)
    from judged j join new_run n on n.run_id = j.run_id and n.state = 'skipped'
    order by j.occurrence_for
)
select
    (select count(*) from advanced) as advanced,
    count(*) filter (where state = 'queued') as queued,
    count(*) filter (where state = 'skipped') as skipped
from new_run;

-- name: seconds_until_fire
-- How long until one of the schedules that `list_due_schedules` lists is due, by the server's clock; negative when overdue,
-- no row when nothing is planned.
select extract(epoch from s.next_due_at - ordinaut.now())::float8 as seconds
from ordinaut.schedule s
join ordinaut.spec p on p.uid = s.task_uid
where s.next_due_at is not null and s.paused_at is null and p.retired_at is null
    and not exists (
        select from unnest(%(broken_uids)s::bigint[], %(broken_revisions)s::bigint[]) as broken(uid, revision_id)
        where broken.uid = s.task_uid and broken.revision_id = p.revision_id)
order by s.next_due_at
limit 1;
