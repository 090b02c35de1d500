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

-- Bundles are short: they are kept in their row, and none of what was published stays long.
create table ordinaut.outbox (
    outbox_id bigint generated always as identity primary key,
    occurred_at timestamptz not null,
    sequences bigint[] not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, toast_tuple_target = 8160);
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

create or replace function ordinaut.drop_partition(parent text, month text, finished_since timestamptz, most integer)
    returns text
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
    elsif parent = 'event_log' then
        if exists (select from ordinaut.outbox o where o.occurred_at < month_end) then
            return 'wanted';
        end if;
    else
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
    'dropped; busy: somebody is at the table; wanted: it holds more than so many rows of runs that are not over, or were not at that time, or events that are not published';

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
select setval('ordinaut.event_sequence', greatest(max(sequence), 1)) from ordinaut.event_log having max(sequence) is not null;
