-- name: load_stand
-- The revision of a task that was in force at an instant, and whether that revision retired it; no row before the first.
select r.revision_id as revision, r.action, r.body, v.applied_at, v.actor, v.git_commit as commit
from ordinaut.spec_revision r
join ordinaut.revision v on v.revision_id = r.revision_id
where r.uid = %(task_uid)s and v.applied_at <= %(instant)s
order by r.revision_id desc
limit 1;

-- name: list_later_stands
-- The revisions of a task that came into force within a span of time.
select r.revision_id as revision, r.action, r.body, v.applied_at, v.actor, v.git_commit as commit
from ordinaut.spec_revision r
join ordinaut.revision v on v.revision_id = r.revision_id
where r.uid = %(task_uid)s and v.applied_at > %(since)s and v.applied_at < %(until)s
order by r.revision_id
limit 100;

-- name: load_first_apply
-- When a task was applied for the first time.
select v.applied_at
from ordinaut.spec_revision r
join ordinaut.revision v on v.revision_id = r.revision_id
where r.uid = %(task_uid)s
order by r.revision_id
limit 1;

-- name: list_decisions
-- What was decided for a span of time, with the run of the task that stood in the way then. Run ids begin with their time,
-- so the span is a range of the index. A blocker is looked for where there was one, and not for ever.
select r.run_id, r.trigger, r.occurrence_for, r.due_at, r.state, r.reason,
    nullif(concat_ws(': ', r.ended_by, r.detail), '') as detail, r.created_at, r.started_at,
    r.finished_at, r.decided_by, r.tzdata, r.requested_by, r.error, r.revision_id as revision,
    v.applied_at, v.actor, v.git_commit as commit, b.run_id as blocked_by, w.ready_at,
    case when w.lane > 100 then w.slot_key end as slot_key,
    exists (select from ordinaut.backlog q where q.run_id = r.run_id) as waits_its_turn,
    case when r.state = 'waiting' then coalesce(
        (select 'unknown' from ordinaut.step_intent i
         where i.run_id = r.run_id and i.asked_at is not null and i.answered_at is null limit 1),
        (select a.kind from ordinaut.wait a
         where a.run_id = r.run_id and a.answered_at is null and (a.until is null or a.until > ordinaut.now())
             and not exists (
                 select from ordinaut.step_result s
                 where s.run_id = a.run_id and s.step = a.step and s.iteration = a.iteration)
         order by a.began_at desc limit 1),
        (select 'approval' from ordinaut.step_attempt a
         where a.run_id = r.run_id and a.asked is not null and a.answered_at is null
             and (a.asked_until is null or a.asked_until > ordinaut.now())
             and not exists (
                 select from ordinaut.step_result s
                 where s.run_id = a.run_id and s.step = a.step and s.iteration = a.iteration) limit 1),
        (select 'rate_limit' from ordinaut.rate_turn t
         where t.run_id = r.run_id and t.ready_at > ordinaut.now() limit 1),
        -- Nothing else tells that a run waits for its agent's budget, which it does for seconds.
        (select 'budget' from (
            select l.data ->> 'reason' as reason from ordinaut.event_log l
            where l.run_id = r.run_id and l.type = 'run.waiting'
            order by l.sequence desc
            limit 1) last
         where last.reason = 'budget'),
        'retry') end as waits_for
from ordinaut.run r
join ordinaut.revision v on v.revision_id = r.revision_id
left join ordinaut.due_work w on w.run_id = r.run_id
left join lateral (
    select o.run_id
    from (
        select e.run_id, e.state, e.started_at, e.finished_at
        from ordinaut.run e
        where e.task_uid = r.task_uid
            and (r.reason like 'overlap%%' or r.started_at >= greatest(r.created_at, r.due_at) + interval '1 s')
            and e.run_id < ordinaut.run_id_floor(coalesce(r.started_at, r.finished_at, ordinaut.now()) + interval '1 ms')
        order by e.run_id desc
        limit 10000) o
    where o.run_id <> r.run_id and o.state <> 'skipped'
        and o.started_at < coalesce(r.started_at, r.finished_at, ordinaut.now())
        and coalesce(o.finished_at, 'infinity') >= r.created_at
    order by o.run_id desc
    limit 1) b on true
where r.task_uid = %(task_uid)s
    and r.run_id >= ordinaut.run_id_floor(%(since)s) and r.run_id < ordinaut.run_id_floor(%(until)s + interval '1 ms')
    and r.occurrence_for >= %(since)s and r.occurrence_for < %(until)s
order by r.run_id
limit %(limit)s;

-- name: find_newest_decision
-- The occurrence that was decided last, of those that have come.
select occurrence_for from ordinaut.run where task_uid = %(task_uid)s order by run_id desc limit 1;

-- name: list_pauses
-- The pauses and snoozes of a task that touch a span of time, and those in force; a pause before a snooze.
select created_at as since, least(until, ended_at) as until, actor, reason, kind
from ordinaut.task_override
where task_uid = %(task_uid)s
    and (created_at < %(until)s or least(until, ended_at) is null or least(until, ended_at) > ordinaut.now())
    and coalesce(least(until, ended_at), 'infinity') > %(since)s
order by kind, created_at;

-- name: list_runtimes_between
-- The runtimes that were alive at some moment of a span of time, and those that are; one that fell silent was alive for
-- three heartbeats more.
select runtime_id, host, started_at as since,
    coalesce(stopped_at, heartbeat_at + interval '15 seconds') as until
from ordinaut.runtime
where coalesce(stopped_at, heartbeat_at + interval '15 seconds') >= %(since)s
    and (started_at <= %(until)s or coalesce(stopped_at, heartbeat_at + interval '15 seconds') >= ordinaut.now())
order by started_at
limit 100;

-- name: list_condition_stands
-- The conditions of a task in force, with what they remember.
select c.position, p.body #>> array['schedule', c.position::text, 'condition', 'uses'] as uses, c.phase, c.met_since,
    c.next_poll_at, c.polled_at, c.changed_at, c.failing_since, c.error, p.body
from ordinaut.condition c
join ordinaut.spec p on p.uid = c.task_uid
where c.task_uid = %(task_uid)s and p.retired_at is null
order by c.position;

-- name: list_listener_stands
-- What a task listens to, what it has heard and not decided, and when an event of exactly that topic came last.
select l.position, l.topic, l.filter, l.since, l.heard, l.fire_at,
    (select e.arrived_at from ordinaut.event e where e.topic = l.topic order by e.event_no desc limit 1) as last_at
from ordinaut.listener l
where l.task_uid = %(task_uid)s and l.position >= 0
order by l.position;

-- name: load_standing_schedule
-- Where a task's schedule stands; no row for a task that time does not drive.
select cursor_for, next_for, next_due_at from ordinaut.schedule where task_uid = %(task_uid)s;
