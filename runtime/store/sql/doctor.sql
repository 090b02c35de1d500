-- What `ordinaut doctor` looks at. None of these needs more than a role that may read, and each is asked by itself.

-- name: read_server
select current_setting('server_version_num')::integer as version_number, current_user::text as role,
    pg_is_in_recovery() as in_recovery, pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') as sees_all,
    pg_notification_queue_usage() as notifications,
    (select jsonb_object_agg(name, setting) from pg_settings where name = any(%(names)s)) as settings;

-- name: list_horizon_holders
-- Whoever keeps deleted rows of this database from being removed, the oldest first.
select 'session' as kind, pid::text as name, usename::text as owner, application_name as application, state,
    extract(epoch from clock_timestamp() - coalesce(xact_start, backend_start))::float8 as seconds, left(query, 200) as doing
from pg_stat_activity
where coalesce(backend_xmin, backend_xid) is not null and pid <> pg_backend_pid()
    and (datname = current_database() and backend_type <> 'autovacuum worker' or backend_type = 'walsender')
union all
select 'prepared', gid, owner::text, null, null, extract(epoch from clock_timestamp() - prepared)::float8, null
from pg_prepared_xacts
where database = current_database()
union all
select 'slot', slot_name::text, null, plugin::text, null, null, slot_type
from pg_replication_slots
where not active
order by seconds desc nulls last;

-- name: list_table_health
select relname::text as name, n_live_tup as live, n_dead_tup as dead, pg_table_size(relid) as size
from pg_stat_user_tables
where schemaname = 'ordinaut'
order by n_dead_tup desc, relname;

-- name: read_lags
-- Counting events stops: after a long absence of Redis there may be millions.
select w.*, s.*, e.*, p.*
from (
    select count(*) as ready, extract(epoch from ordinaut.now() - min(ready_at))::float8 as ready_seconds
    from ordinaut.due_work where ready_at <= ordinaut.now() and lease_until < ordinaut.now() and lane < 100) w,
(
    select count(*) as schedules, extract(epoch from ordinaut.now() - min(next_due_at))::float8 as schedule_seconds
    from ordinaut.schedule where next_due_at <= ordinaut.now() and paused_at is null) s,
(
    select coalesce(sum(cardinality(sequences)), 0) as events,
        extract(epoch from ordinaut.now() - min(occurred_at))::float8 as event_seconds
    from (select sequences, occurred_at from ordinaut.outbox order by outbox_id limit 100000) waiting) e,
(
    select count(*) as poison, max(source) as poisoned
    from ordinaut.poison where found_at > ordinaut.now() - interval '7 days') p;

-- name: list_runtime_signs
-- Runtimes that did not stop on purpose; one that has been silent for a day is forgotten, unless it still holds something.
select r.runtime_id, r.host, r.pid, r.version, r.draining, r.duties,
    extract(epoch from ordinaut.now() - r.heartbeat_at)::float8 as silent_seconds, count(w.run_id) as leases,
    extract(epoch from max(w.lease_until) - ordinaut.now())::float8 as lease_seconds
from ordinaut.runtime r
left join ordinaut.due_work w on w.runtime_id = r.runtime_id and w.lease_until > ordinaut.now()
where w.run_id is not null or r.stopped_at is null and r.heartbeat_at > ordinaut.now() - interval '1 day'
group by r.runtime_id
order by r.runtime_id;

-- name: list_rights
-- What our role may not do with each table of the schema, and with the numbers of events; left out is where it may do everything
-- that it needs.
select name, missing, is_owned
from (
    select c.relname::text as name,
        array(
            select p.privilege
            from unnest(array['select', 'insert', 'update', 'delete']) p(privilege)
            where not has_table_privilege(c.oid, p.privilege)) as missing,
        c.relkind <> 'p' or pg_has_role(c.relowner, 'USAGE') as is_owned
    from pg_class c
    where c.relnamespace = 'ordinaut'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    union all
    select 'event_sequence', array['usage'], true
    where not has_sequence_privilege('ordinaut.event_sequence', 'usage')) rights
where missing <> '{}' or not is_owned
order by name;

-- name: read_door
-- Who executes the statements of steps, and whether our role may ask for it.
select r.rolname is not null as is_owned, has_function_privilege(p.oid, 'execute') as may_call,
    coalesce(r.rolsuper or has_schema_privilege(r.oid, n.oid, 'usage'), false) as is_wide
from pg_namespace n
join pg_proc p on p.pronamespace = n.oid and p.proname = 'run_statement'
left join pg_roles r on r.oid = p.proowner and r.rolname = 'ordinaut_sql'
where n.nspname = 'ordinaut';

-- name: list_partition_gaps
-- Of this month and the next: partitions that are not there, and rows that went elsewhere for want of one.
select parent as name,
    array(
        select to_char(month, 'YYYY-MM')
        from generate_series(date_trunc('month', ordinaut.now(), 'UTC'), ordinaut.now() + interval '1 month', '1 month') month
        where to_regclass('ordinaut.' || parent || to_char(month at time zone 'UTC', '_YYYYMM')) is null
        order by month) as missing,
    strays
from (
    select 'run' as parent, (
        select count(*) from (
            select from ordinaut.run_default
            where run_id >= ordinaut.run_id_floor(date_trunc('month', ordinaut.now(), 'UTC')) limit 1000) r) as strays
    union all
    select 'step_result', (
        select count(*) from (
            select from ordinaut.step_result_default
            where run_id >= ordinaut.run_id_floor(date_trunc('month', ordinaut.now(), 'UTC')) limit 1000) r)
    union all
    select 'event_log', (
        select count(*) from (
            select from ordinaut.event_log_default
            where occurred_at >= date_trunc('month', ordinaut.now(), 'UTC') limit 1000) r)) parents;

-- name: read_session
-- What a session of ours begins with. Behind a pooler its process is another than the client was told of.
select pg_backend_pid() as backend_pid, current_user::text as role, current_setting('server_version_num')::integer as version,
    (select jsonb_object_agg(name, setting) from pg_settings
     where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'enable_partition_pruning'))
        as settings;
