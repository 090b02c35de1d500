-- name: find_task
-- A task by its name, retired or not, and the instant a run asked for now would stand for.
select p.uid, p.revision_id, p.body, p.retired_at, date_trunc('milliseconds', ordinaut.now()) as now
from ordinaut.spec p
where p.kind = 'Task' and p.namespace = %(namespace)s and p.name = %(name)s;

-- name: list_task_names
select p.namespace, p.name from ordinaut.spec p where p.kind = 'Task' and p.retired_at is null;

-- name: keep_others_from_starting
-- Before `create_manual_run`, in its transaction, for a task that may not overlap: whoever else asks for a run waits here
-- and then sees ours, and a firing that began before finds another generation, and is decided again with ours in sight.
-- No row of a task that is retired.
-- Locks: the task's document, then its schedule; as an apply takes them.
with alone as materialized (
    select uid, retired_at from ordinaut.spec where uid = %(task_uid)s for no key update
), raised as (
    update ordinaut.schedule c set generation = generation + 1 from alone a where c.task_uid = a.uid
)
select uid from alone where retired_at is null;

-- name: create_manual_run
-- A run that somebody asked for: to begin, or to wait for its turn.
with new_run as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state, params, event, requested_by,
         trace_link)
    values (
        %(run_id)s, %(task_uid)s, %(revision_id)s, 'manual', %(trigger_key)s, %(occurrence_for)s, %(occurrence_for)s,
        'queued', %(params)s::jsonb, %(event)s::jsonb, %(requested_by)s, %(trace_link)s)
    returning run_id, task_uid, revision_id, %(lane)s::smallint as lane,
        coalesce(%(start_until)s::timestamptz, 'infinity') as start_until
), new_work as (
    insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, start_until, lane)
    select run_id, task_uid, revision_id, ordinaut.now(), start_until, lane from new_run where %(fate)s = 'begin'
)
insert into ordinaut.backlog (run_id, task_uid, revision_id, ready_at, start_until, lane)
select run_id, task_uid, revision_id, ordinaut.now(), start_until, lane from new_run where %(fate)s = 'wait';

-- name: find_same_run
-- The newest run that was asked for with this key, in the last while.
select run_id
from ordinaut.run
where task_uid = %(task_uid)s and run_id >= ordinaut.run_id_floor(ordinaut.now() - %(within)s)
    and trigger = 'manual' and trigger_key = %(trigger_key)s and created_at > ordinaut.now() - %(within)s
order by run_id desc
limit 1;

-- name: count_live_runtimes
-- Runtimes that said they are alive within three heartbeats, and take work.
select count(*) from ordinaut.runtime
where stopped_at is null and not draining and 'worker' = any(duties)
    and heartbeat_at > ordinaut.now() - interval '15 seconds';

-- name: list_runs
-- Newest first. Run ids begin with their time, so the order of the primary key is the order of time. In quarantine is what was
-- begun again and again, lost its runtime each time, and has not been run again.
select r.run_id, p.namespace, p.name, r.state, r.reason, r.trigger, r.occurrence_for, r.due_at, r.started_at,
    r.finished_at, r.error, r.revision_id as revision, coalesce(r.progress, '{}') as progress,
    jsonb_path_query_first(p.body, '$.schedule[*].timezone') #>> '{}' as timezone
from ordinaut.run r
join ordinaut.spec p on p.uid = r.task_uid
where (%(task_uid)s::bigint is null or r.task_uid = %(task_uid)s)
    and (%(before)s::uuid is null or r.run_id < %(before)s)
    and (%(states)s::text[] is null or r.state = any(%(states)s))
    and (not %(quarantined)s or r.state = 'failed' and r.error ->> 'code' = 'ORD507' and not exists (
        select from ordinaut.run n where n.task_uid = r.task_uid and n.run_id >= ordinaut.run_id_floor(r.created_at) and n.rerun_of = r.run_id))
order by r.run_id desc
limit %(limit)s;

-- name: list_active_runs
-- Runs that are not over: those under way, then those that wait, then those that are queued, each the oldest first.
select r.run_id, p.namespace, p.name, r.state, r.reason, r.trigger, r.occurrence_for, r.due_at, r.started_at,
    r.finished_at, r.error, r.revision_id as revision, coalesce(r.progress, '{}') as progress,
    jsonb_path_query_first(p.body, '$.schedule[*].timezone') #>> '{}' as timezone
from ordinaut.run r
join ordinaut.spec p on p.uid = r.task_uid
where r.finished_at is null
order by array_position(array['running', 'waiting', 'queued'], r.state), coalesce(r.started_at, r.due_at), r.run_id
limit %(limit)s;

-- name: read_clock
select ordinaut.now();

-- name: find_latest_run
select run_id from ordinaut.run
where %(task_uid)s::bigint is null or task_uid = %(task_uid)s
order by run_id desc
limit 1;

-- name: find_runs_between
select run_id from ordinaut.run where run_id between %(first)s and %(last)s order by run_id desc limit %(limit)s;

-- name: find_runs_by_end
-- Among recent runs only: an end that is unique today would not stay so, and no index knows it.
select run_id
from (select run_id from ordinaut.run order by run_id desc limit 10000) recent
where right(replace(run_id::text, '-', ''), length(%(ending)s)) = %(ending)s
limit %(limit)s;

-- name: load_run
-- A run, the body it is pinned to, and its row in the queue while it has one.
select r.run_id, p.namespace, p.name, r.state, r.reason, r.trigger, r.occurrence_for, r.due_at, r.started_at,
    r.finished_at, r.error, r.revision_id as revision, r.params, r.event, r.requested_by, r.ended_by, r.detail, r.rerun_of,
    r.replay_no, r.task_uid, coalesce(r.progress, '{}') as progress, v.git_commit as commit,
    b.body, w.ready_at, w.runtime_id, w.lease_epoch, nullif(w.lease_until, '-infinity') as lease_until,
    case when w.lane > 100 then coalesce(w.slot_key, '') end as slot_key,
    jsonb_path_query_first(b.body, '$.schedule[*].timezone') #>> '{}' as timezone, ordinaut.now() as now
from ordinaut.run r
join ordinaut.spec p on p.uid = r.task_uid
join ordinaut.spec_revision b on b.uid = r.task_uid and b.revision_id = r.revision_id
join ordinaut.revision v on v.revision_id = r.revision_id
left join ordinaut.due_work w on w.run_id = r.run_id
where r.run_id = %(run_id)s;

-- name: load_run_progress
-- Something that changes whenever the run gets further: cheap to ask for again and again.
select state, (select count(*) from ordinaut.step_result s where s.run_id = r.run_id) as results
from ordinaut.run r
where r.run_id = %(run_id)s;

-- name: list_step_results
-- Without the items of `foreach` steps but the first, which stands where the result of other steps does. A step that only waits,
-- as the tools of `waiting` do, began when the first of its waits did.
select s.step, s.iteration, s.uses, s.outcome, s.attempt, s.input, s.output, s.error,
    least(s.started_at, w.began_at) as started_at, s.finished_at, s.reused_at,
    s.sent, s.size, nullif(s.server_generation, 0) as server_generation, nullif(s.schema_digest, '') as schema_digest
from ordinaut.step_result s
left join lateral (
    select min(w.began_at) as began_at from ordinaut.wait w
    where w.run_id = s.run_id and w.step = s.step) w on s.uses = any(%(waiting)s)
where s.run_id = %(run_id)s and s.iteration <= 0;

-- name: count_step_items
select step, count(*) as items, count(*) filter (where outcome not in ('ok', 'skipped')) as failed_items
from ordinaut.step_result
where run_id = %(run_id)s and iteration >= 0
group by step;

-- name: list_step_attempts
select step, iteration as item, attempt, outcome, error, started_at, finished_at, retry_at
from ordinaut.step_attempt
where run_id = %(run_id)s
order by step, iteration, attempt;

-- name: list_run_events
-- What was published, and what is still on its way. A lost connection may have caused an event to be written twice.
with told as materialized (
    select distinct on (event_id) sequence, event_id, type, occurred_at, data
    from ordinaut.event_log where run_id = %(run_id)s
    order by event_id, sequence
), unpublished as materialized (
    select sequence from ordinaut.outbox o cross join unnest(o.sequences) sequence
    where o.occurred_at >= (select min(occurred_at) from told)
)
select sequence, event_id as id, type, occurred_at as time, data,
    sequence not in (select u.sequence from unpublished u) as published
from told
order by sequence;
