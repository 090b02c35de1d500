-- name: list_outdated_schedules
-- Schedules in force whose next occurrence was found by older time zone data, paused ones too, by task. Versions such as
-- `2026f` are in the order of their characters. No lock: writing compares and sets.
select c.task_uid, c.generation, c.cursor_for, c.tzdata, s.body
from ordinaut.schedule c
join ordinaut.spec s on s.uid = c.task_uid
where c.tzdata collate "C" < %(tzdata)s and c.task_uid > %(after)s and s.retired_at is null
order by c.task_uid
limit %(limit)s;

-- name: rederive_schedules
-- What comes next by newer data, and an event for each task that fires at another time now. A schedule that was fired,
-- changed or derived again since it was read stays as it is.
-- Locks: the schedule rows, by task.
with derived as materialized (
    select * from jsonb_to_recordset(%(derived)s) as d(
        task_uid bigint, generation integer, cursor_for timestamptz, tzdata text,
        next_for timestamptz, next_due_at timestamptz)
), locked as materialized (
    select c.task_uid, c.next_for as before, d.next_for as after, d.next_due_at, d.tzdata
    from ordinaut.schedule c
    join derived d on d.task_uid = c.task_uid
    where c.generation = d.generation and c.cursor_for = d.cursor_for and c.tzdata = d.tzdata
    order by c.task_uid
    for update of c
), written as (
    update ordinaut.schedule c
    set next_for = l.after, next_due_at = l.next_due_at, seal = ordinaut.seal(c.cursor_for, l.after, l.next_due_at),
        tzdata = %(tzdata)s
    from locked l
    where c.task_uid = l.task_uid
), moved as materialized (
    select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end as task,
        l.before, l.after, l.tzdata as tzdata_before
    from locked l
    join ordinaut.spec s on s.uid = l.task_uid
    where l.before is distinct from l.after
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select 'schedule.rederived', m.task, jsonb_build_object(
        'task', m.task, 'before', m.before, 'after', m.after, 'tzdata_before', m.tzdata_before,
        'tzdata_after', %(tzdata)s::text)
    from moved m
    order by m.task
)
select task, before, after from moved order by task;

-- name: count_schedules_by_tzdata
-- Schedules in force, of one project and environment or of all, by the version of the time zone data that found what
-- comes next. One that nothing comes of any more counts for nothing.
select c.tzdata, count(*) as schedules
from ordinaut.schedule c
join ordinaut.spec s on s.uid = c.task_uid
where s.retired_at is null and c.next_for is not null
    and (%(project)s::text is null or (s.project = %(project)s and s.environment = %(environment)s))
group by c.tzdata
order by c.tzdata collate "C";
