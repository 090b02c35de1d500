-- Partitions of history: made ahead, and dropped when their time is over, without holding up anybody for long.
--
-- Theory of operation
--   Making or dropping a partition locks its table for a moment, and somebody who reads the table keeps that moment from
--   coming; whoever comes later would queue up behind it. So both functions give up after a quarter of a second, are called
--   for one partition at a time, and are called again later. (Detaching concurrently is not to be had: there is a default
--   partition, as runs may stand for any time.)

create function ordinaut.make_partition(parent text, month text) returns boolean
    language plpgsql
    set lock_timeout = '250ms'
as $$
declare
    part text := parent || '_' || month;
    month_start timestamptz := to_date(month, 'YYYYMM')::timestamp at time zone 'UTC';
    month_end timestamptz := (to_date(month, 'YYYYMM') + interval '1 month') at time zone 'UTC';
    is_by_run boolean := parent <> 'event_log';
begin
    execute format('create table ordinaut.%I (like ordinaut.%I including defaults including constraints)', part, parent);
    -- Unlike `create table partition of`, this lets others read and write the table.
    execute format(
        'alter table ordinaut.%I attach partition ordinaut.%I for values from (%L) to (%L)', parent, part,
        case when is_by_run then ordinaut.run_id_floor(month_start)::text else month_start::text end,
        case when is_by_run then ordinaut.run_id_floor(month_end)::text else month_end::text end);
    return true;
exception
    when duplicate_table then
        return true;
    -- Somebody is at the table; or rows of this month are in the default partition, and stay there.
    when lock_not_available or check_violation then
        return false;
end
$$;
comment on function ordinaut.make_partition is 'whether there is now a partition of this month (YYYYMM)';

create function ordinaut.drop_partition(parent text, month text, finished_since timestamptz, most integer) returns text
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
