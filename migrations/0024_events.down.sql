-- Events are written into the outbox, and copied from there into the log once they are published.

create temporary table told_after on commit drop as
    select l.*, exists (select from ordinaut.outbox o where l.sequence = any(o.sequences)) as is_unpublished
    from ordinaut.event_log l;
drop table ordinaut.event_log;
drop table ordinaut.outbox;
drop sequence ordinaut.event_sequence;
drop function ordinaut.bundle_events();

create table ordinaut.outbox (
    outbox_id bigint generated always as identity primary key,
    event_id uuid not null default gen_random_uuid(),
    type text not null,
    subject text not null,
    run_id uuid,
    data jsonb not null,
    occurred_at timestamptz not null default ordinaut.now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table ordinaut.event_log (
    event_id uuid not null,
    sequence bigint not null,
    type text not null,
    subject text not null,
    run_id uuid,
    data jsonb not null,
    occurred_at timestamptz not null,
    published_at timestamptz not null default ordinaut.now(),
    primary key (published_at, event_id)
) partition by range (published_at);
create table ordinaut.event_log_default partition of ordinaut.event_log default;
create index event_log_by_run on ordinaut.event_log (run_id) where run_id is not null;

select ordinaut.make_partition('event_log', month)
from (select distinct to_char(occurred_at at time zone 'UTC', 'YYYYMM') as month from told_after) months;
insert into ordinaut.event_log (event_id, sequence, type, subject, run_id, data, occurred_at, published_at)
    select event_id, sequence, type, subject, run_id, data, occurred_at, occurred_at
    from told_after where not is_unpublished;
insert into ordinaut.outbox (outbox_id, event_id, type, subject, run_id, data, occurred_at) overriding system value
    select sequence, event_id, type, subject, run_id, data, occurred_at from told_after where is_unpublished;
select setval(pg_get_serial_sequence('ordinaut.outbox', 'outbox_id'), max(sequence))
from told_after having max(sequence) is not null;
