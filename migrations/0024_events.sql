-- breaking: events are written into the log, and no longer into the outbox
-- An event is written once, into the log. The outbox holds which events are not published yet: a row for what a statement
-- told, and not one for each event.

create temporary table told_before on commit drop as
    select event_id, sequence, type, subject, run_id, data, occurred_at from ordinaut.event_log;
create temporary table unpublished_before on commit drop as
    select event_id, outbox_id as sequence, type, subject, run_id, data, occurred_at from ordinaut.outbox;
drop table ordinaut.event_log;
drop table ordinaut.outbox;

create sequence ordinaut.event_sequence;
create table ordinaut.event_log (
    sequence bigint not null default nextval('ordinaut.event_sequence'),
    event_id uuid not null default gen_random_uuid(),
    type text not null,
    subject text not null,
    run_id uuid,
    data jsonb not null,
    occurred_at timestamptz not null default ordinaut.now(),
    primary key (occurred_at, sequence)
) partition by range (occurred_at);
create table ordinaut.event_log_default partition of ordinaut.event_log default;
create index event_log_by_run on ordinaut.event_log (run_id) where run_id is not null;

create table ordinaut.outbox (
    outbox_id bigint generated always as identity primary key,
    occurred_at timestamptz not null,
    sequences bigint[] not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
comment on column ordinaut.outbox.sequences is 'events of one statement, at most 500, in order';

create function ordinaut.bundle_events() returns trigger
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

select ordinaut.make_partition('event_log', month)
from (
    select to_char(occurred_at at time zone 'UTC', 'YYYYMM') as month from told_before
    union
    select to_char(occurred_at at time zone 'UTC', 'YYYYMM') from unpublished_before) months;
insert into ordinaut.event_log (event_id, sequence, type, subject, run_id, data, occurred_at)
    select event_id, sequence, type, subject, run_id, data, occurred_at from told_before;

create trigger event_log_is_bundled after insert on ordinaut.event_log
    referencing new table as told
    for each statement execute function ordinaut.bundle_events();

insert into ordinaut.event_log (event_id, sequence, type, subject, run_id, data, occurred_at)
    select event_id, sequence, type, subject, run_id, data, occurred_at from unpublished_before order by sequence;
select setval('ordinaut.event_sequence', max(sequence)) from ordinaut.event_log having max(sequence) is not null;
