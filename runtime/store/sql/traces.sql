-- What spans of runs that are over are made of, and how far that has come.

-- name: hold_log_position
-- Takes the place of a reader of the log, unless another process has it; the first one begins with what happens now.
insert into ordinaut.log_position (reader, top, at, holder, held_until)
select %(reader)s, case when s.is_called then s.last_value else s.last_value - 1 end, ordinaut.now(), %(holder)s,
    ordinaut.now() + %(hold)s
from ordinaut.event_sequence s
on conflict (reader) do update set holder = excluded.holder, held_until = excluded.held_until
where log_position.holder = excluded.holder or log_position.held_until < ordinaut.now()
returning top, at, missing, ordinaut.now() - at as age;

-- name: keep_log_position
-- Nothing is returned where another process has taken the place meanwhile.
update ordinaut.log_position
set top = %(top)s, at = %(at)s, missing = %(missing)s, held_until = ordinaut.now() + %(hold)s
where reader = %(reader)s and holder = %(holder)s
returning true;

-- name: leave_log_position
update ordinaut.log_position set held_until = '-infinity' where reader = %(reader)s and holder = %(holder)s returning true;

-- name: list_traced_runs
-- Of these runs those that began; each may be long over, or dropped meanwhile.
select r.run_id, case p.namespace when 'default' then p.name else p.namespace || '/' || p.name end as task, r.revision_id,
    r.trigger, r.due_at, r.state, r.started_at, r.finished_at, r.error, r.rerun_of, e.run_id as told_by,
    coalesce(r.trace_link, e.trace_link) as trace_link, b.body ->> 'agent' as agent
from ordinaut.run r
join ordinaut.spec p on p.uid = r.task_uid
left join ordinaut.spec_revision b on b.uid = r.task_uid and b.revision_id = r.revision_id
left join ordinaut.event e on e.event_no = case when r.trigger = 'event' then r.trigger_key::bigint end
where r.run_id = any(%(run_ids)s::uuid[]) and r.started_at is not null and r.finished_at is not null
order by r.finished_at, r.run_id;

-- name: list_traced_results
-- Of each run the first results, wholes of `foreach` steps before their items; and how many there are. With the span elsewhere
-- from which a callback was answered.
select r.run_id, r.step, r.iteration, r.attempt, r.outcome, r.uses, r.error, r.started_at, r.finished_at, r.reused_at,
    r.results, e.trace_link
from (
    select s.run_id, s.step, s.iteration, s.attempt, s.outcome, s.uses, s.error, s.started_at, s.finished_at, s.reused_at,
        count(*) over (partition by s.run_id) as results,
        row_number() over (partition by s.run_id order by least(s.iteration, 1), s.started_at, s.step, s.iteration) as position
    from ordinaut.step_result s
    where s.run_id = any(%(run_ids)s::uuid[]) and s.step <> '(over)') r
left join ordinaut.event e
    on e.source = 'callback' and e.event_id = r.run_id || ':' || r.step and e.trace_link is not null
where r.position <= %(most)s
order by r.run_id, r.position;

-- name: list_traced_attempts
-- Those left out that went on as one call with what people answered.
select run_id, step, iteration, attempt, outcome, error, started_at, finished_at
from ordinaut.step_attempt
where run_id = any(%(run_ids)s::uuid[]) and outcome <> all(%(goes_on)s)
order by run_id, step, iteration, attempt;

-- name: list_traced_usage
select run_id, step, iteration, attempt, model, input_tokens, output_tokens, cache_read_tokens, cache_written_tokens,
    reasoning_tokens, cost, currency
from ordinaut.call_usage
where run_id = any(%(run_ids)s::uuid[]);
