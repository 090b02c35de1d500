-- name: load_run_for_test
-- A run, and the body and environment that it is pinned to.
select r.run_id, p.namespace, p.name, r.state, r.trigger, r.occurrence_for, r.started_at, r.error, r.params, r.event,
    r.revision_id as revision, v.environment, b.body
from ordinaut.run r
join ordinaut.spec p on p.uid = r.task_uid
join ordinaut.spec_revision b on b.uid = r.task_uid and b.revision_id = r.revision_id
join ordinaut.revision v on v.revision_id = r.revision_id
where r.run_id = %(run_id)s;

-- name: list_results_for_test
-- Every result of a run, those of all items included, in the order in which their calls began.
select step, iteration, uses, outcome, attempt, input, output, error, started_at, finished_at
from ordinaut.step_result
where run_id = %(run_id)s
order by started_at, finished_at, step, iteration;

-- name: list_waits_for_test
-- What was waited for, how it was answered, and how long that took.
select step, iteration, kind, answer, extract(epoch from answered_at - began_at)::float8 as seconds
from ordinaut.wait
where run_id = %(run_id)s
order by step, iteration;

-- name: list_settled_for_test
-- What people said of calls that may have happened.
select step, iteration, attempt, answer
from ordinaut.step_intent
where run_id = %(run_id)s and answer is not null;
