-- Runs that steps of other runs start, and wait for.

-- name: count_ancestors
-- How many runs stand above one, itself included; at most so many are counted.
with recursive above as (
    select r.run_id, r.trigger, r.trigger_key, 1 as depth from ordinaut.run r where r.run_id = %(run_id)s
    union all
    select r.run_id, r.trigger, r.trigger_key, a.depth + 1
    from above a
    join ordinaut.run r on r.run_id = split_part(a.trigger_key, ':', 1)::uuid
    where a.trigger = 'run' and a.depth < %(most)s
)
select max(depth) as depth from above;

-- name: find_child
select run_id from ordinaut.run where run_id = %(run_id)s;

-- name: create_child_run
-- A run that a step asks for: to begin, or to wait for its turn. Nothing is written for a parent whose lease was lost.
with new_run as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state, params, requested_by)
    select %(run_id)s, %(task_uid)s, %(revision_id)s, 'run', %(trigger_key)s, %(occurrence_for)s, ordinaut.now(),
        'queued', %(params)s::jsonb, %(requested_by)s
    where exists (
        select from ordinaut.due_work d where d.run_id = %(parent)s and d.lease_epoch = %(lease_epoch)s)
    on conflict (run_id) do nothing
    returning run_id, task_uid, revision_id, %(lane)s::smallint as lane,
        coalesce(ordinaut.now() + %(deadline)s::interval, 'infinity') as start_until
), new_work as (
    insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, start_until, lane)
    select run_id, task_uid, revision_id, ordinaut.now(), start_until, lane from new_run where %(fate)s = 'begin'
), new_waiting as (
    insert into ordinaut.backlog (run_id, task_uid, revision_id, ready_at, start_until, lane)
    select run_id, task_uid, revision_id, ordinaut.now(), start_until, lane from new_run where %(fate)s = 'wait'
)
select run_id from new_run;

-- name: list_parents_to_wake
-- Runs that wait for one that is over, or are over themselves, but for their steps of `finally`: these may wait for others, and
-- what has come to its own is left alone. A step that could not start one waits for nobody.
select distinct w.run_id
from ordinaut.wait w
join ordinaut.run p on p.run_id = w.run_id
join ordinaut.run c on c.run_id = (w.asked ->> 'run_id')::uuid
where w.kind = 'run' and w.answered_at is null
    and (c.finished_at is not null
        or (p.finished_at is not null or exists (
            select from ordinaut.step_result o
            where o.run_id = w.run_id and o.step = '(over)' and o.finished_at > w.began_at))
        and not exists (select from ordinaut.step_result o where o.run_id = c.run_id and o.step = '(over)'))
order by w.run_id
limit %(limit)s;

-- name: lock_parents
-- None of them gets further until the transaction ends; one that is over has no row, and cannot.
-- Locks: their due_work rows, by run, as `record_progress` does.
select run_id from ordinaut.due_work where run_id = any(%(run_ids)s) order by run_id for update;

-- name: list_children
-- The runs that these wait for, with what became of them and their bodies.
select w.run_id, w.step, w.iteration, c.run_id as child_id, c.state, c.reason, c.detail, c.error,
    p.finished_at is null and not exists (
        select from ordinaut.step_result o
        where o.run_id = w.run_id and o.step = '(over)' and o.finished_at > w.began_at)
    or exists (select from ordinaut.step_result o where o.run_id = c.run_id and o.step = '(over)') as is_wanted,
    c.finished_at is null as is_active, b.body
from ordinaut.wait w
join ordinaut.run p on p.run_id = w.run_id
join ordinaut.run c on c.run_id = (w.asked ->> 'run_id')::uuid
join ordinaut.spec_revision b on b.uid = c.task_uid and b.revision_id = c.revision_id
where w.run_id = any(%(run_ids)s) and w.kind = 'run' and w.answered_at is null
order by w.run_id, w.step, w.iteration;

-- name: list_step_values
-- What a step of a run gave: one row, or one for each item.
select outcome, output from ordinaut.step_result
where run_id = %(run_id)s and step = %(step)s and iteration >= 0
order by iteration;
