-- Which runs were told to be late is forgotten.
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
    return null;
end
$$;
drop table ordinaut.late_run;
alter table ordinaut.listener drop column late_after;
