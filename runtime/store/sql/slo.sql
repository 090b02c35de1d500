-- How promises stand, counted from the runs of their windows.

-- name: list_promises
-- Of tasks in force.
select uid, namespace, name, project, body -> 'slo' as slo, ordinaut.now() as now
from ordinaut.spec
where kind = 'Task' and retired_at is null and body ? 'slo'
    and (%(task)s::text is null or %(task)s = case namespace when 'default' then name else namespace || '/' || name end)
order by namespace, name;

-- name: count_kept
-- Of each task, over each span to now: runs that succeeded, those that succeeded or failed; those that began in time, and those
-- that began, should have, or were given up because nobody began them. One walk along the index for each task, over the days
-- that its window and the longest of these spans need: ids begin with the occurrence, which comes before the rest.
select w.uid, s.name as span,
    count(*) filter (where r.ended and r.state = 'succeeded') as succeeded,
    count(*) filter (where r.ended and r.state in ('succeeded', 'failed')) as ended,
    count(*) filter (where r.due and r.started_at - r.due_at <= w.within) as in_time,
    count(*) filter (where r.due and (r.started_at is not null or r.reason = 'start_deadline' and r.state = 'skipped'
        or r.finished_at is null and ordinaut.now() - r.due_at > w.within)) as due
from unnest(%(uids)s::bigint[], %(withins)s::interval[], %(windows)s::interval[]) as w(uid, within, length)
cross join lateral (
    select * from unnest(%(names)s::text[], %(spans)s::interval[]) as p(name, length)
    union all select 'window', w.length) s
left join lateral (
    select state, reason, started_at, due_at, finished_at, finished_at > ordinaut.now() - s.length as ended,
        due_at > ordinaut.now() - s.length and due_at <= ordinaut.now() as due
    from ordinaut.run
    where task_uid = w.uid
        -- What ends or is due within the span may stand for an occurrence of long before, but seldom does.
        and run_id >= ordinaut.run_id_floor(ordinaut.now() - s.length - interval '1 day')) r on true
group by w.uid, s.name;
