-- name: find_rerun
-- A run, the body it is pinned to, and the one in force.
select r.run_id, r.task_uid, r.revision_id, r.state, r.occurrence_for, r.params, r.event,
    coalesce(r.origin_id, r.run_id) as origin_id, coalesce(r.replay_no, 0) as replay_no,
    p.namespace, p.name, p.retired_at, p.body as body_in_force, p.revision_id as revision_in_force,
    b.body, date_trunc('milliseconds', ordinaut.now()) as now
from ordinaut.run r
join ordinaut.spec p on p.uid = r.task_uid
join ordinaut.spec_revision b on b.uid = r.task_uid and b.revision_id = r.revision_id
where r.run_id = %(run_id)s;

-- name: list_step_outcomes
-- How the steps of a run ended, each as a whole.
select step, iteration, outcome from ordinaut.step_result where run_id = %(run_id)s and iteration <= 0;

-- name: create_rerun
-- A run once more, after `let_in` in its transaction: with what it was started with, the results that stay, and, of calls that
-- nobody knows the end of, that they may have been made. `anew` raises the number that is part of idempotency keys beyond
-- that of every run of the same origin; whoever else runs it again waits for this transaction.
with new_run as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state, params, event, requested_by,
         rerun_of, origin_id, replay_no, trace_link)
    select %(new_id)s, r.task_uid, %(revision_id)s, 'rerun', %(trigger_key)s, r.occurrence_for, %(due_at)s, 'queued',
        r.params, r.event, %(requested_by)s, r.run_id, coalesce(r.origin_id, r.run_id),
        case when %(anew)s then 1 + coalesce((
            select max(o.replay_no) from ordinaut.run o
            where o.task_uid = r.task_uid and o.run_id >= %(since_id)s
                and o.origin_id = coalesce(r.origin_id, r.run_id)), 0)
        else coalesce(r.replay_no, 0) end, %(trace_link)s
    from ordinaut.run r
    where r.run_id = %(run_id)s
    returning run_id, task_uid, revision_id, %(lane)s::smallint as lane,
        coalesce(%(start_until)s::timestamptz, 'infinity') as start_until
), kept as (
    insert into ordinaut.step_result
        (run_id, step, iteration, lease_epoch, attempt, outcome, uses, input, output, error, idempotency_key,
         server_generation, schema_digest, usage, started_at, finished_at, reused_at,
         sent, size)
    select %(new_id)s, s.step, s.iteration, 0, s.attempt, s.outcome, s.uses, s.input, s.output, s.error,
        s.idempotency_key, s.server_generation, s.schema_digest, s.usage, s.started_at, s.finished_at,
        s.reused_at, s.sent, s.size
    from ordinaut.step_result s
    where s.run_id = %(run_id)s and (
        s.step = any(%(steps)s::text[])
        or s.step = any(%(items)s::text[]) and s.iteration >= 0 and s.outcome in ('ok', 'skipped'))
), doubted as (
    insert into ordinaut.step_intent (run_id, step, iteration, attempt, lease_epoch, idempotency_key)
    -- The calls begin with their first try once more.
    select distinct on (i.step, i.iteration) %(new_id)s::uuid, i.step, i.iteration, 1, 0, i.idempotency_key
    from ordinaut.step_intent i
    where i.run_id = %(run_id)s and not %(anew)s
        and not exists (
            select from ordinaut.step_result r
            where r.run_id = i.run_id and r.step = i.step and r.iteration = i.iteration and r.outcome <> 'unknown')
        and not exists (
            select from ordinaut.step_attempt t
            where t.run_id = i.run_id and t.step = i.step and t.iteration = i.iteration and t.attempt = i.attempt)
), new_work as (
    insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, start_until, lane)
    select run_id, task_uid, revision_id, ordinaut.now(), start_until, lane from new_run where %(fate)s = 'begin'
)
insert into ordinaut.backlog (run_id, task_uid, revision_id, ready_at, start_until, lane)
select run_id, task_uid, revision_id, ordinaut.now(), start_until, lane from new_run where %(fate)s = 'wait';

-- name: list_reruns
-- The runs that run this one again.
select run_id from ordinaut.run
where task_uid = %(task_uid)s and run_id >= %(since_id)s and rerun_of = %(run_id)s
order by run_id;
