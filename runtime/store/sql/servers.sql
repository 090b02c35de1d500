-- Tool servers in force, and how calls of them went.

-- name: list_servers
-- By name, from a place on.
select namespace, name, body, ordinaut.now() as now
from ordinaut.spec
where kind = 'ToolServer' and retired_at is null and (namespace, name) > (%(after_namespace)s, %(after_name)s)
order by namespace, name
limit %(limit)s;

-- name: count_outcomes
-- How calls ended, by server as steps call it, of runs since an instant; what was reused or left out was no call.
select split_part(uses, '.', 1) as server, outcome, count(*) as calls, max(finished_at) as last_at
from ordinaut.step_result
where run_id >= ordinaut.run_id_floor(ordinaut.now() - %(span)s::interval) and iteration >= 0 and lease_epoch > 0
    and reused_at is null
    and outcome <> 'skipped'
group by 1, 2;
