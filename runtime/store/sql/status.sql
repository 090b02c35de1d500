-- name: load_installation
select installation_id, ordinaut.now() as now, current_setting('server_version') as version
from ordinaut.installation;

-- name: list_newest_revisions
select distinct on (v.project, v.environment)
    v.revision_id as revision, v.project, v.environment, v.git_commit as commit, v.git_branch as branch,
    v.git_dirty as dirty, v.author, v.actor, v.applied_at,
    case when n.applied_commit <> v.git_commit or v.git_dirty or v.git_commit is null then n.applied_commit end
        as confirmed_commit
from ordinaut.revision v
left join ordinaut.source_status n on n.project = v.project and n.environment = v.environment and n.claim = '{}'
    and n.applied_revision = v.revision_id
order by v.project, v.environment, v.revision_id desc;

-- name: list_runtimes
-- Those that did not stop on purpose; one that has been silent for a day is forgotten.
select runtime_id, host, pid, version, started_at, heartbeat_at, draining, duties,
    heartbeat_at > ordinaut.now() - interval '15 seconds' as alive
from ordinaut.runtime
where stopped_at is null and heartbeat_at > ordinaut.now() - interval '1 day'
order by runtime_id;

-- name: load_queue_status
select
    count(*) filter (where r.state = 'queued') as queued,
    count(*) filter (where r.state = 'running') as running,
    count(*) filter (where r.state = 'waiting') as waiting,
    late.gated, late.overdue, late.oldest_ready_at, due.undecided, due.oldest_due_at
from (
    select count(*) filter (where lane < 100) as overdue, min(ready_at) filter (where lane < 100) as oldest_ready_at,
        count(*) filter (where lane > 100) as gated
    from ordinaut.due_work
    where ready_at <= ordinaut.now() and lease_until < ordinaut.now()) late
cross join (
    select count(*) as undecided, min(next_due_at) as oldest_due_at
    from ordinaut.schedule where next_due_at <= ordinaut.now() and paused_at is null) due
left join ordinaut.run r on r.finished_at is null
group by late.gated, late.overdue, late.oldest_ready_at, due.undecided, due.oldest_due_at;

-- name: list_troubles
-- Tasks in force that are held back, by somebody or because they fail, or whose newest run was given up, or left out for want
-- of a budget; and those whose conditions are asked in vain.
select t.kind, p.namespace, p.name
from ordinaut.spec p
left join lateral (
    select r.state, r.reason, r.error ->> 'code' as code
    from ordinaut.run r where r.task_uid = p.uid and r.finished_at is not null
    order by r.run_id desc limit 1) l on true
left join ordinaut.schedule s on s.task_uid = p.uid
left join lateral (
    select v.actor from ordinaut.task_override v
    where v.task_uid = p.uid and v.ended_at is null and (v.kind = 'pause' or v.until > ordinaut.now())
    order by v.kind limit 1) o on true
cross join lateral (
    select case o.actor when 'ordinaut' then 'paused_failing' else 'paused' end as kind
    where o.actor is not null or s.paused_at is not null
    union all select 'quarantined' where l.state = 'failed' and l.code = 'ORD507'
    union all select 'over_budget' where l.state = 'skipped' and l.reason = 'budget'
    union all select 'unanswered'
    where o.actor is null and exists (
        select from ordinaut.condition c where c.task_uid = p.uid and c.failing_since is not null)) t
where p.kind = 'Task' and p.retired_at is null
order by p.namespace, p.name;

-- name: load_asked_status
-- Of runs that are not over.
select
    (select count(*) from ordinaut.wait w
     join ordinaut.run r on r.run_id = w.run_id and r.finished_at is null
     where w.kind = 'approval' and w.answered_at is null
     and not exists (
             select from ordinaut.step_result o
             where o.run_id = w.run_id and o.step = '(over)' and o.finished_at > w.began_at))
    + (select count(*) from ordinaut.step_attempt a
       join ordinaut.run r on r.run_id = a.run_id and r.finished_at is null
       where a.asked is not null and a.answered_at is null
       and not exists (
               select from ordinaut.step_result o
               where o.run_id = a.run_id and (o.step = a.step and o.iteration = a.iteration
                   or o.step = '(over)' and o.finished_at > a.finished_at))) as approvals,
    (select count(*) from ordinaut.step_intent i
     join ordinaut.run r on r.run_id = i.run_id and r.finished_at is null
     where i.asked_at is not null and i.answered_at is null
     and not exists (
             select from ordinaut.step_result o
             where o.run_id = i.run_id and o.step = '(over)' and o.finished_at > i.asked_at)) as unsettled;

-- name: list_run_progress
-- Of runs that are not over and say how far they are.
select r.run_id, p.namespace, p.name as task_name, c.name, (c.count ->> 'done')::bigint as done,
    (c.count ->> 'total')::bigint as total, (c.count ->> 'failed')::bigint as failed
from ordinaut.run r
join ordinaut.spec p on p.uid = r.task_uid
cross join lateral jsonb_each(r.progress) as c(name, count)
where r.finished_at is null and r.progress is not null
order by r.run_id, c.name
limit 20;

-- name: load_outbox_status
-- Counting stops: after a long absence of Redis there may be millions.
select coalesce(sum(cardinality(sequences)), 0) as events, min(occurred_at) as oldest_at
from (select sequences, occurred_at from ordinaut.outbox order by outbox_id limit 100000) waiting;

-- name: list_task_statuses
-- A task that time does not drive has no schedule row; then its override alone says that it is paused.
select p.namespace, p.name, p.project, s.next_for, s.next_due_at,
    case when s.next_for is not null then 'armed'
        when s.task_uid is not null then 'over'
        when jsonb_path_exists(
            p.body, '$.schedule[*] ? (exists(@.rrule) || exists(@.cron) || exists(@.every) || exists(@.at))')
        then 'missing' end as schedule,
    coalesce(s.paused_at, o.created_at) as paused_at, o.actor, o.reason, o.until, coalesce(o.kind, 'pause') as kind,
    jsonb_path_query_first(p.body, '$.schedule[*].timezone') #>> '{}' as timezone,
    l.run_id as last_run_id, l.state as last_state, l.occurrence_for as last_for, k.conditions
from ordinaut.spec p
left join ordinaut.schedule s on s.task_uid = p.uid
left join lateral (
    select v.created_at, v.actor, v.reason, v.until, v.kind
    from ordinaut.task_override v
    where v.task_uid = p.uid and v.ended_at is null and (v.kind = 'pause' or v.until > ordinaut.now())
    order by v.kind limit 1) o on true
left join lateral (
    select r.run_id, r.state, r.occurrence_for
    from ordinaut.run r where r.task_uid = p.uid order by r.run_id desc limit 1) l on true
cross join lateral (
    select coalesce(jsonb_agg(jsonb_build_object(
        'condition', c.position,
        'uses', p.body #>> array['schedule', c.position::text, 'condition', 'uses'],
        'phase', c.phase, 'met_since', c.met_since, 'next_poll_at', c.next_poll_at, 'polled_at', c.polled_at,
        'failing_since', c.failing_since, 'error', c.error) order by c.position), '[]') as conditions
    from ordinaut.condition c where c.task_uid = p.uid) k
where p.kind = 'Task' and p.retired_at is null
order by coalesce(s.paused_at, o.created_at) is not null, s.next_due_at nulls last, p.namespace, p.name
limit %(limit)s;
