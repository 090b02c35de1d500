-- Which tasks had failed is forgotten.
create or replace function ordinaut.bundle_events() returns trigger
    language plpgsql
as $$
begin
    insert into ordinaut.outbox (occurred_at, sequences)
    select t.occurred_at, array_agg(t.sequence order by t.sequence)
    from told t
    group by t.occurred_at, t.sequence / 500
    order by min(t.sequence);
    if exists (select from ordinaut.listener l where l.topic like 'ordinaut.%') then
        insert into ordinaut.event (source, event_id, topic, data, run_id)
        select 'ordinaut', t.event_id::text, 'ordinaut.' || t.type, t.data, t.run_id
        from told t
        where t.data ->> 'reason' is distinct from 'event_loop' and exists (
            select from ordinaut.listener l
            where l.topic like 'ordinaut.%' and l.position >= 0 and 'ordinaut.' || t.type like l.topic_like)
        order by t.sequence
        on conflict (source, event_id) do nothing;
    end if;
    return null;
end
$$;
drop table ordinaut.failed_task;
drop index ordinaut.listener_of_own_globs;
drop index ordinaut.listener_of_own;
create index listener_of_own on ordinaut.listener (topic) where topic like 'ordinaut.%';
alter table ordinaut.listener drop column of_task;
