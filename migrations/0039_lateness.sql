-- That a run is late, told where a task listens to it: when it should have begun so long ago, whether it has meanwhile or not.

alter table ordinaut.listener add column late_after interval;
comment on column ordinaut.listener.late_after is 'of one that listens to ordinaut.run.late: how long after its due time a run is late';

create table ordinaut.late_run (
    run_id uuid not null,
    late_after interval not null,
    primary key (run_id, late_after)
);
comment on table ordinaut.late_run is 'what was told to be late, until a while after it began or ended';

create or replace function ordinaut.bundle_events() returns trigger
    language plpgsql
as $$
begin
    insert into ordinaut.outbox (occurred_at, sequences)
    select t.occurred_at, array_agg(t.sequence order by t.sequence)
    from told t
    group by t.occurred_at, t.sequence / 500
    order by min(t.sequence);
    if not exists (select from ordinaut.listener l where l.topic like 'ordinaut.%') then
        return null;
    end if;
    -- Looked up by whole topic and task: there may be as many listeners as tasks.
    insert into ordinaut.event (source, event_id, topic, data, run_id)
    select 'ordinaut', t.event_id::text, 'ordinaut.' || t.type, t.data, t.run_id
    from told t
    where t.data ->> 'reason' is distinct from 'event_loop' and (
        exists (
            select from ordinaut.listener l
            where l.topic like 'ordinaut.%' and l.topic = 'ordinaut.' || t.type and l.of_task = t.data ->> 'task'
                and l.position >= 0)
        or exists (
            select from ordinaut.listener l
            where l.topic like 'ordinaut.%' and l.topic = 'ordinaut.' || t.type and l.of_task is null
                and l.position >= 0)
        or exists (
            select from ordinaut.listener l
            where l.topic like 'ordinaut.%*%' and 'ordinaut.' || t.type like l.topic_like
                and (l.of_task is null or l.of_task = t.data ->> 'task') and l.position >= 0))
    order by t.sequence
    on conflict (source, event_id) do nothing;
    -- What is told here comes by this way again, and has no ends of runs.
    if exists (select from ordinaut.listener l where l.topic = 'ordinaut.task.recovered' and l.topic like 'ordinaut.%')
        and exists (select from told t where t.type in ('run.succeeded', 'run.failed'))
    then
        with ended as materialized (
            select t.data ->> 'task' as task, t.subject, t.type, t.run_id, t.sequence,
                lag(t.type) over of_it as type_before, lag(t.run_id) over of_it as run_before,
                lag(t.occurred_at) over of_it as ended_before
            from told t
            where t.type in ('run.succeeded', 'run.failed')
            window of_it as (partition by t.data ->> 'task' order by t.sequence)
        ), held as materialized (
            select f.task
            from ordinaut.failed_task f
            where f.task in (select e.task from ended e where e.type = 'run.succeeded')
            order by f.task
            for update
        ), recovered as (
            delete from ordinaut.failed_task f using held h
            where f.task = h.task
            returning f.task, f.run_id, f.failed_at
        )
        insert into ordinaut.event_log (type, subject, run_id, data)
        select 'task.recovered', e.subject, e.run_id, jsonb_build_object(
            'task', e.task, 'run_id', e.run_id, 'failed_run_id', coalesce(e.run_before, r.run_id),
            'failed_at', coalesce(e.ended_before, r.failed_at))
        from ended e
        left join recovered r on r.task = e.task and e.type_before is null
        -- What failed before anybody listened is none of its business.
        where e.type = 'run.succeeded' and (e.type_before = 'run.failed' or r.task is not null) and exists (
            select from ordinaut.listener l
            where l.topic = 'ordinaut.task.recovered' and l.topic like 'ordinaut.%' and l.position >= 0
                and (l.of_task is null or l.of_task = e.task) and l.since <= coalesce(e.ended_before, r.failed_at))
        order by e.sequence;
        insert into ordinaut.failed_task (task, run_id, failed_at)
        select last.task, last.run_id, last.occurred_at
        from (
            select distinct on (t.data ->> 'task') t.data ->> 'task' as task, t.type, t.run_id, t.occurred_at
            from told t
            where t.type in ('run.succeeded', 'run.failed')
            order by t.data ->> 'task', t.sequence desc) last
        where last.type = 'run.failed' and exists (
            select from ordinaut.listener l
            where l.topic = 'ordinaut.task.recovered' and l.topic like 'ordinaut.%' and l.position >= 0
                and (l.of_task is null or l.of_task = last.task))
        order by last.task
        on conflict (task) do update set run_id = excluded.run_id, failed_at = excluded.failed_at;
    end if;
    -- Who looks for runs that do not begin may have missed one that began late, or nobody was there to look.
    if exists (select from told t where t.type = 'run.started' and (t.data ->> 'late_seconds')::float8 >= 1) then
        with late as materialized (
            select distinct on (t.run_id, w.late_after) t.subject, t.run_id, t.data, w.late_after
            from told t
            cross join lateral (
                select l.late_after from ordinaut.listener l
                where l.topic = 'ordinaut.run.late' and l.topic like 'ordinaut.%' and l.position >= 0
                    and l.of_task = t.data ->> 'task'
                union all
                select l.late_after from ordinaut.listener l
                where l.topic = 'ordinaut.run.late' and l.topic like 'ordinaut.%' and l.position >= 0
                    and l.of_task is null) w
            where t.type = 'run.started' and (t.data ->> 'late_seconds')::float8 >= extract(epoch from w.late_after)
            order by t.run_id, w.late_after
        ), marked as (
            insert into ordinaut.late_run (run_id, late_after)
            select run_id, late_after from late order by run_id, late_after
            on conflict do nothing
            returning run_id, late_after
        )
        insert into ordinaut.event_log (type, subject, run_id, data)
        select 'run.late', l.subject, l.run_id,
            (l.data - 'revision') || jsonb_build_object('after_seconds', extract(epoch from l.late_after)::float8)
        from late l
        join marked m on m.run_id = l.run_id and m.late_after = l.late_after
        order by l.run_id, l.late_after;
    end if;
    return null;
end
$$;
