-- Runs that are late: due for so long as somebody listens for, and not begun.

-- name: tell_late
-- Tells of runs that should have begun and have not, once for each time that somebody listens for; at most so many, the longest
-- due first. Forgets those that began or ended. Answers how many were told, and whether anybody listens.
-- Locks: none but the rows it writes.
with watched as materialized (
    select distinct l.of_task, l.late_after
    from ordinaut.listener l
    where l.topic = 'ordinaut.run.late' and l.topic like 'ordinaut.%%' and l.position >= 0
), soonest as materialized (
    select min(late_after) as late_after from watched
), overdue as materialized (
    -- A lane at a time, as the index has them.
    select d.run_id, d.task_uid
    from soonest s
    cross join unnest(%(lanes)s::smallint[]) as wanted(lane)
    cross join lateral (
        select d.run_id, d.task_uid
        from ordinaut.due_work d
        where d.lane = wanted.lane and d.ready_at <= ordinaut.now() - s.late_after and d.lease_epoch = 0) d
    union all
    select b.run_id, b.task_uid
    from ordinaut.backlog b
    where b.ready_at <= ordinaut.now() - (select s.late_after from soonest s)
), named as materialized (
    select r.run_id, r.trigger, r.occurrence_for, r.due_at,
        case p.namespace when 'default' then p.name else p.namespace || '/' || p.name end as label
    from overdue o
    join ordinaut.run r on r.run_id = o.run_id
    join ordinaut.spec p on p.uid = o.task_uid
), late as materialized (
    select n.run_id, n.trigger, n.occurrence_for, n.due_at, n.label, w.late_after
    from (
        select n.run_id, w.late_after from named n join watched w on w.of_task = n.label
        union
        select n.run_id, w.late_after from named n join watched w on w.of_task is null) w
    join named n on n.run_id = w.run_id
    where n.due_at <= ordinaut.now() - w.late_after and not exists (
        select from ordinaut.late_run l where l.run_id = n.run_id and l.late_after = w.late_after)
    order by n.due_at, n.run_id, w.late_after
    limit %(limit)s
), marked as (
    insert into ordinaut.late_run (run_id, late_after)
    select run_id, late_after from late order by run_id, late_after
    on conflict do nothing
    returning run_id, late_after
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'run.late', l.label, l.run_id, jsonb_build_object(
        'task', l.label, 'run_id', l.run_id, 'trigger', l.trigger, 'occurrence_for', l.occurrence_for, 'due_at', l.due_at,
        'late_seconds', extract(epoch from ordinaut.now() - l.due_at)::float8,
        'after_seconds', extract(epoch from l.late_after)::float8)
    from marked m
    join late l on l.run_id = m.run_id and l.late_after = m.late_after
    order by l.due_at, l.run_id, l.late_after
), forgotten as (
    delete from ordinaut.late_run x
    where not exists (select from ordinaut.due_work d where d.run_id = x.run_id and d.lease_epoch = 0)
        and not exists (select from ordinaut.backlog b where b.run_id = x.run_id)
)
select (select count(*)::integer from marked) as told, (select s.late_after is not null from soonest s) as is_watched;
