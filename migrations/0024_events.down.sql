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

create or replace function ordinaut.drop_partition(parent text, month text, finished_since timestamptz, most integer) returns text
    language plpgsql
    set lock_timeout = '250ms'
as $$
declare
    part text := parent || '_' || month;
    month_start timestamptz := to_date(month, 'YYYYMM')::timestamp at time zone 'UTC';
    month_end timestamptz := (to_date(month, 'YYYYMM') + interval '1 month') at time zone 'UTC';
    wanted uuid[] := '{}';
    rows_wanted bigint := 0;
begin
    -- What takes long is found out before anything is locked.
    if parent = 'run' then
        execute format(
            'select array(select run_id from ordinaut.%I
                where state in (''queued'', ''running'', ''waiting'') or finished_at >= $1 limit $2 + 1)', part)
            into wanted using finished_since, most;
        rows_wanted := cardinality(wanted);
    elsif parent <> 'event_log' then
        if to_regclass('ordinaut.run_' || month) is not null then
            return 'wanted';
        end if;
        wanted := array(
            select r.run_id from ordinaut.run r
            where r.run_id >= ordinaut.run_id_floor(month_start) and r.run_id < ordinaut.run_id_floor(month_end));
        execute format('select count(*) from (select from ordinaut.%I where run_id = any($1) limit $2 + 1) r', part)
            into rows_wanted using wanted, most;
    end if;
    if rows_wanted > most then
        return 'wanted';
    end if;
    execute format('alter table ordinaut.%I detach partition ordinaut.%I', parent, part);
    if parent = 'run' then
        -- Without its partition it goes to the default one. What began since the look above has an active state.
        execute format(
            'insert into ordinaut.run select * from ordinaut.%I
                where run_id = any($1) or state in (''queued'', ''running'', ''waiting'')', part)
            using wanted;
    elsif parent <> 'event_log' then
        wanted := array(
            select r.run_id from ordinaut.run r
            where r.run_id >= ordinaut.run_id_floor(month_start) and r.run_id < ordinaut.run_id_floor(month_end));
        execute format('insert into ordinaut.%I select * from ordinaut.%I where run_id = any($1)', parent, part)
            using wanted;
    end if;
    execute format('drop table ordinaut.%I', part);
    return 'dropped';
exception
    when lock_not_available then
        return 'busy';
end
$$;
comment on function ordinaut.drop_partition is
    'dropped; busy: somebody is at the table; wanted: it holds more than so many rows of runs that are not over, or were not at that time';

select ordinaut.make_partition('event_log', month)
from (select distinct to_char(occurred_at at time zone 'UTC', 'YYYYMM') as month from told_after) months;
insert into ordinaut.event_log (event_id, sequence, type, subject, run_id, data, occurred_at, published_at)
    select event_id, sequence, type, subject, run_id, data, occurred_at, occurred_at
    from told_after where not is_unpublished;
insert into ordinaut.outbox (outbox_id, event_id, type, subject, run_id, data, occurred_at) overriding system value
    select sequence, event_id, type, subject, run_id, data, occurred_at from told_after where is_unpublished;
select setval(pg_get_serial_sequence('ordinaut.outbox', 'outbox_id'), max(sequence))
from told_after having max(sequence) is not null;
