-- What was heard and not decided is forgotten.
create or replace function ordinaut.bundle_events() returns trigger
    language plpgsql
as $$
begin
    insert into ordinaut.outbox (occurred_at, sequences)
    select t.occurred_at, array_agg(t.sequence order by t.sequence)
    from told t
    group by t.occurred_at, t.sequence / 500
    order by min(t.sequence);
    return null;
end
$$;
drop function ordinaut.is_held_back(bigint);
alter table ordinaut.event drop column run_id;
drop table ordinaut.heard;
drop table ordinaut.listener;
