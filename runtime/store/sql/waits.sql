-- name: list_asked
-- What people are asked, oldest first, before calls and in the middle of them: of runs that are not over, and not of steps
-- that are because their run came to `finally`.
select w.run_id, s.namespace, s.name, w.step, w.iteration, w.attempt, w.asked, w.began_at, w.until,
    jsonb_path_query_first(s.body, '$.schedule[*].timezone') #>> '{}' as timezone, ordinaut.now() as now
from (
    select run_id, step, iteration, null::smallint as attempt, asked, began_at, until
    from ordinaut.wait
    where kind = 'approval' and answered_at is null
    union all
    select a.run_id, a.step, a.iteration, a.attempt, a.asked, a.finished_at, a.asked_until
    from ordinaut.step_attempt a
    where a.asked is not null and a.answered_at is null
        and not exists (
            select from ordinaut.step_result o
            where o.run_id = a.run_id and o.step = a.step and o.iteration = a.iteration)) w
join ordinaut.run r on r.run_id = w.run_id and r.finished_at is null
join ordinaut.spec s on s.uid = r.task_uid
where not exists (
    select from ordinaut.step_result o
    where o.run_id = w.run_id and o.step = '(over)' and o.finished_at > w.began_at)
order by w.began_at, w.run_id, w.step, w.iteration
limit %(limit)s;

-- name: find_asked
-- Whom a step asks that takes decisions by events of a topic; no row where it does not, or waits no more.
select asked from ordinaut.wait
where run_id = %(run_id)s and step = %(step)s and iteration = %(iteration)s and kind = 'approval'
    and asked ->> 'event' = %(topic)s and answered_at is null;

-- name: answer_wait
-- A person decides, before a call or, with the number of the try that was left open, in the middle of it. Nothing is written
-- if somebody else did, if the time is over, or if the run or the step is: so one answer counts, never one beside a timeout,
-- and none that nothing comes of. The run is made ready where it sleeps; where it is held it is marked, and looks again before
-- it sleeps. Locks: the wait or the try, then the due_work row.
with of_call as (
    update ordinaut.step_attempt w
    set answered_at = ordinaut.now(), answer = %(answer)s
    where w.run_id = %(run_id)s and w.step = %(step)s and w.iteration = %(iteration)s and w.attempt = %(attempt)s
        and w.asked is not null and w.answered_at is null and (w.asked_until is null or w.asked_until > ordinaut.now())
        and exists (select from ordinaut.due_work d where d.run_id = w.run_id)
        and not exists (
            select from ordinaut.step_result o
            where o.run_id = w.run_id and (o.step = w.step and o.iteration = w.iteration
                or o.step = '(over)' and o.finished_at > w.finished_at))
    returning w.run_id, w.step, w.iteration, w.asked
), before_call as (
    update ordinaut.wait w
    set answered_at = ordinaut.now(), answer = %(answer)s
    where %(attempt)s::smallint is null
        and w.run_id = %(run_id)s and w.step = %(step)s and w.iteration = %(iteration)s and w.kind = 'approval'
        and w.answered_at is null and (w.until is null or w.until > ordinaut.now())
        and exists (select from ordinaut.due_work d where d.run_id = w.run_id)
        and not exists (
            select from ordinaut.step_result o
            where o.run_id = w.run_id and (o.step = w.step and o.iteration = w.iteration
                or o.step = '(over)' and o.finished_at > w.began_at))
    returning w.run_id, w.step, w.iteration, w.asked
), answered as (
    select * from of_call union all select * from before_call
), woken as (
    update ordinaut.due_work d
    set woken = true, ready_at = case when d.lease_until = '-infinity' then ordinaut.now() else d.ready_at end
    from answered a
    where d.run_id = a.run_id
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'step.answered', n.label, r.run_id, jsonb_build_object(
        'task', n.label, 'run_id', r.run_id, 'trigger', r.trigger, 'occurrence_for', r.occurrence_for,
        'step', a.step, 'uses', coalesce(a.asked ->> 'uses', 'ordinaut.approve'),
        'approved', %(answer)s::jsonb -> 'approved', 'by', %(answer)s::jsonb -> 'by', 'reason', %(answer)s::jsonb -> 'reason')
        || case when a.asked ? 'item' then jsonb_build_object('item', a.iteration) else '{}' end
    from answered a
    join ordinaut.run r on r.run_id = a.run_id
    join ordinaut.spec s on s.uid = r.task_uid
    cross join lateral (
        select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end as label) n
)
select run_id from answered;

-- name: list_woken
-- Those of these runs, held under these leases, of which something was answered. The mark stays, for whoever executes the run
-- may be about to put it to sleep, and hear of nothing any more: it is taken off by `heed_answers`, or else the run does not sleep.
select w.run_id
from unnest(%(run_ids)s::uuid[], %(lease_epochs)s::integer[]) as ours(run_id, lease_epoch)
join ordinaut.due_work w on w.run_id = ours.run_id and w.lease_epoch = ours.lease_epoch
where w.woken;

-- name: list_run_waits
-- What a run waits for now, calls that somebody has to settle and those whose turn comes later included.
select step, iteration, kind, asked, until
from ordinaut.wait w
where run_id = %(run_id)s and answered_at is null
    and not exists (
        select from ordinaut.step_result r
        where r.run_id = w.run_id and r.step = w.step and r.iteration = w.iteration)
union all
select step, iteration, 'approval', asked, asked_until
from ordinaut.step_attempt a
where run_id = %(run_id)s and asked is not null and answered_at is null
    and not exists (
        select from ordinaut.step_result r
        where r.run_id = a.run_id and r.step = a.step and r.iteration = a.iteration)
union all
select step, iteration, 'unknown', asked, null
from ordinaut.step_intent
where run_id = %(run_id)s and asked_at is not null and answered_at is null
union all
select step, iteration, 'rate_limit', '{}', ready_at
from ordinaut.rate_turn
where run_id = %(run_id)s and ready_at > ordinaut.now()
order by step, iteration;

-- name: list_askers
-- Who asked for a run, or for one of those above it that started it: by name, by the events that began it, as the agent that it
-- works for, and as the token that speaks for that agent, as a Project says of proposals.
with recursive above as (
    select r.run_id, r.task_uid, r.trigger, r.trigger_key, r.requested_by, r.event, 1 as depth
    from ordinaut.run r where r.run_id = %(run_id)s
    union all
    select r.run_id, r.task_uid, r.trigger, r.trigger_key, r.requested_by, r.event, a.depth + 1
    from above a
    join ordinaut.run r on r.run_id = split_part(a.trigger_key, ':', 1)::uuid
    where a.trigger = 'run' and a.depth < %(most)s
), agents as (
    select distinct substring(p.body ->> 'agent' from '[^/]*$') as name
    from above a
    join ordinaut.spec p on p.uid = a.task_uid
), sources as (
    select jsonb_path_query(a.event, 'lax $.source') #>> '{}' as source from above a
    union
    select jsonb_path_query(a.event, 'lax $.items[*].source') #>> '{}' from above a
)
select requested_by as name from above where requested_by is not null
union
select substr(source, strpos(source, ':') + 1) from sources where strpos(source, ':') > 0
union
select name from agents where name is not null
union
select rule ->> 'token'
from ordinaut.spec p
cross join jsonb_path_query(p.body, 'lax $.proposals.merge[*]') rule
join agents g on g.name = substring(rule ->> 'agent' from '[^/]*$')
where p.kind = 'Project' and p.retired_at is null and rule ->> 'token' is not null;
