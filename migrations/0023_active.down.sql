drop index ordinaut.run_active;
create index run_active on ordinaut.run (task_uid) where state in ('queued', 'running', 'waiting');
alter table ordinaut.run drop constraint run_end_is_told;

do $$
declare
    part regclass;
begin
    for part in select inhrelid::regclass from pg_inherits where inhparent = 'ordinaut.run'::regclass loop
        execute format('alter table %s reset (fillfactor)', part);
    end loop;
end
$$;

create or replace function ordinaut.make_partition(parent text, month text) returns boolean
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
