-- What the dashboard reads beside what commands do.

-- name: list_standings
-- Every task in force that fits, by name, and where it stands. Its newest run that is over and was not skipped says how it is
-- doing; its newest of all whether one is under way.
select p.uid, p.namespace, p.name,
    case
        when l.state = 'failed' then 'failing'
        when o.uid is null and s.paused_at is null and s.next_due_at < ordinaut.now() - interval '30 s' then 'late'
        when q.ready_at < ordinaut.now() - interval '30 s' then 'late'
        when s.task_uid is null and jsonb_path_exists(
            p.body, '$.schedule[*] ? (exists(@.rrule) || exists(@.cron) || exists(@.every) || exists(@.at))') then 'missing'
        when o.uid is not null or s.paused_at is not null then 'paused'
        when a.is_active then 'running'
        when l.state is not null then 'well'
        else 'new'
    end as standing
from ordinaut.spec p
left join ordinaut.schedule s on s.task_uid = p.uid
left join lateral (
    select v.task_uid as uid
    from ordinaut.task_override v
    where v.task_uid = p.uid and v.ended_at is null and (v.kind = 'pause' or v.until > ordinaut.now()) limit 1) o on true
left join lateral (
    select r.state from ordinaut.run r
    where r.task_uid = p.uid and r.state in ('succeeded', 'failed', 'cancelled')
    order by r.run_id desc limit 1) l on true
left join (select distinct task_uid, true as is_active from ordinaut.run where finished_at is null) a on a.task_uid = p.uid
left join (
    select task_uid, min(ready_at) as ready_at from ordinaut.due_work
    where lane < 100 and ready_at < ordinaut.now() and lease_until < ordinaut.now()
    group by task_uid) q on q.task_uid = p.uid
where p.kind = 'Task' and p.retired_at is null
    and (%(owner)s::text is null or p.body ->> 'owner' = %(owner)s)
    and (%(labels)s::jsonb is null or p.body -> 'labels' @> %(labels)s::jsonb)
    and (%(words)s::text is null or strpos(lower(p.namespace || '/' || p.name), lower(%(words)s)) > 0)
order by p.namespace, p.name;

-- name: list_owners
-- Who answers for tasks in force.
select distinct p.body ->> 'owner' as owner
from ordinaut.spec p
where p.kind = 'Task' and p.retired_at is null and p.body ->> 'owner' is not null
order by 1
limit 500;

-- name: list_board_tasks
-- Some tasks, with their newest runs and where their specs stand.
select p.uid, p.namespace, p.name, p.project, p.body, coalesce(d.file, '') as file, coalesce(d.line, 1) as line,
    v.git_commit as commit, p.revision_id as revision, s.next_for,
    coalesce(s.paused_at, o.created_at) as paused_at, o.actor, o.reason, o.until, coalesce(o.kind, 'pause') as kind, l.runs
from ordinaut.spec p
left join ordinaut.spec_revision d on d.uid = p.uid and d.revision_id = p.revision_id
left join ordinaut.revision v on v.revision_id = p.revision_id
left join ordinaut.schedule s on s.task_uid = p.uid
left join lateral (
    select w.created_at, w.actor, w.reason, w.until, w.kind
    from ordinaut.task_override w
    where w.task_uid = p.uid and w.ended_at is null and (w.kind = 'pause' or w.until > ordinaut.now())
    order by w.kind limit 1) o on true
cross join lateral (
    select coalesce(jsonb_agg(jsonb_build_object(
        'run_id', r.run_id, 'state', r.state, 'reason', r.reason, 'occurrence_for', r.occurrence_for,
        'late_seconds', greatest(0, extract(epoch from r.started_at - r.due_at))) order by r.run_id desc), '[]') as runs
    from (
        select n.run_id, n.state, n.reason, n.occurrence_for, n.due_at, n.started_at
        from ordinaut.run n where n.task_uid = p.uid order by n.run_id desc limit %(marks)s) r) l
where p.uid = any(%(uids)s)
order by p.namespace, p.name;

-- name: list_timed_tasks
-- Every task in force that time drives, and until when somebody holds it back.
select p.uid, p.namespace, p.name, p.body -> 'schedule' as schedule, p.body -> 'calendars' as calendars,
    o.is_held, o.until
from ordinaut.spec p
join ordinaut.schedule s on s.task_uid = p.uid and s.next_for is not null
left join lateral (
    select true as is_held, w.until
    from ordinaut.task_override w
    where w.task_uid = p.uid and w.ended_at is null and (w.kind = 'pause' or w.until > ordinaut.now())
    order by w.until desc nulls first limit 1) o on true
where p.kind = 'Task' and p.retired_at is null
order by p.namespace, p.name;

-- name: count_past_slots
-- What became of the occurrences of a span of time, by the hour. Run ids begin with their time, so the span is a range of them.
select date_trunc('hour', r.occurrence_for, 'UTC') as at,
    count(*) filter (where r.state = 'succeeded') as succeeded,
    count(*) filter (where r.state = 'failed') as failed,
    count(*) filter (where r.state = 'skipped') as skipped,
    count(*) filter (where r.state not in ('succeeded', 'failed', 'skipped')) as other
from ordinaut.run r
where r.run_id >= ordinaut.run_id_floor(%(since)s) and r.run_id < ordinaut.run_id_floor(%(until)s)
group by 1
order by 1;

-- name: list_open_runs
-- Runs that are not over, newest first: by the index that holds only those.
select r.run_id, p.namespace, p.name, r.state, r.reason, r.trigger, r.occurrence_for, r.due_at, r.started_at,
    r.finished_at, r.error, r.revision_id as revision,
    jsonb_path_query_first(p.body, '$.schedule[*].timezone') #>> '{}' as timezone
from ordinaut.run r
join ordinaut.spec p on p.uid = r.task_uid
where r.finished_at is null
order by r.run_id desc
limit %(limit)s;
