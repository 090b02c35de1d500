-- name: list_unsettled
-- Calls that may have happened and that people are asked about, oldest first: of runs that are not over.
select i.run_id, s.namespace, s.name, i.step, i.iteration, i.attempt, i.idempotency_key, i.asked, i.asked_at,
    jsonb_path_query_first(s.body, '$.schedule[*].timezone') #>> '{}' as timezone, ordinaut.now() as now
from ordinaut.step_intent i
join ordinaut.run r on r.run_id = i.run_id and r.finished_at is null
join ordinaut.spec s on s.uid = r.task_uid
where i.asked_at is not null and i.answered_at is null
    and not exists (
        select from ordinaut.step_result o
        where o.run_id = i.run_id and o.step = '(over)' and o.finished_at > i.asked_at)
order by i.asked_at, i.run_id, i.step, i.iteration
limit %(limit)s;

-- name: settle_call
-- A person says what became of a call. Nothing is written if somebody else did, or if the run or the step is over: one answer
-- counts, and none that nothing comes of.
-- The run is made ready where it sleeps; where it is held it is marked, and looks again before it sleeps.
-- Locks: the intent, then its due_work row.
with answered as (
    update ordinaut.step_intent i
    set answered_at = ordinaut.now(), answer = %(answer)s
    where i.run_id = %(run_id)s and i.step = %(step)s and i.iteration = %(iteration)s and i.attempt = %(attempt)s
        and i.asked_at is not null and i.answered_at is null
        and exists (select from ordinaut.due_work d where d.run_id = i.run_id)
        and not exists (
            select from ordinaut.step_result o
            where o.run_id = i.run_id and (o.step = i.step and o.iteration = i.iteration
                or o.step = '(over)' and o.finished_at > i.asked_at))
    returning i.run_id, i.step, i.iteration, i.attempt, i.asked
), woken as (
    update ordinaut.due_work d
    set woken = true, ready_at = case when d.lease_until = '-infinity' then ordinaut.now() else d.ready_at end
    from answered a
    where d.run_id = a.run_id
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'step.settled', n.label, r.run_id, jsonb_build_object(
        'task', n.label, 'run_id', r.run_id, 'trigger', r.trigger, 'occurrence_for', r.occurrence_for,
        'step', a.step, 'uses', a.asked -> 'uses', 'attempt', a.attempt,
        'settled', %(answer)s::jsonb -> 'settled', 'by', %(answer)s::jsonb -> 'by', 'reason', %(answer)s::jsonb -> 'reason')
        || case when a.asked ? 'item' then jsonb_build_object('item', a.iteration) else '{}' end
    from answered a
    join ordinaut.run r on r.run_id = a.run_id
    join ordinaut.spec s on s.uid = r.task_uid
    cross join lateral (
        select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end as label) n
)
select run_id from answered;
