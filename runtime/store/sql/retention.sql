-- How long history is kept, and the partitions that it is kept in.

-- name: list_missing_partitions
-- The months from the last one to two after this one, of every partitioned table.
select p.name as parent, to_char(m.month, 'YYYYMM') as month
from (
    select c.relname::text as name
    from pg_partitioned_table t join pg_class c on c.oid = t.partrelid
    where c.relnamespace = 'ordinaut'::regnamespace) p
cross join (
    select date_trunc('month', ordinaut.now() at time zone 'UTC') + make_interval(months => n) as month
    from generate_series(-1, 2) n) m
where to_regclass('ordinaut.' || p.name || to_char(m.month, '_YYYYMM')) is null
order by m.month, p.name;

-- name: list_expired_partitions
-- Months that ended before what is kept, of every partitioned table, the oldest first; of a month, its runs before what
-- belongs to them.
select parent, month
from (
    select p.relname::text as parent, right(c.relname, 6) as month, c.relname = 'run' as is_run
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    join pg_class p on p.oid = i.inhparent
    where p.relnamespace = 'ordinaut'::regnamespace and c.relname ~ ('^' || p.relname || '_[0-9]{6}$')) named
where month < to_char((ordinaut.now() at time zone 'UTC')
    - case parent when 'event_log' then %(keep_events)s::interval else %(keep_runs)s::interval end, 'YYYYMM')
order by month, parent <> 'run', parent;

-- name: make_partition
-- Locks: an advisory one, as of two runtimes that make the same table at once one would fail; then, for at most a quarter
-- of a second, the default partition.
with alone as materialized (select pg_advisory_xact_lock(%(lock_id)s))
select ordinaut.make_partition(%(parent)s, %(month)s) as made from alone;

-- name: drop_partition
-- Locks: an advisory one, without waiting; then the partitioned table, waiting for at most a quarter of a second.
with alone as materialized (select pg_try_advisory_xact_lock(%(lock_id)s) as is_ours)
select case when is_ours
    then ordinaut.drop_partition(%(parent)s, %(month)s, ordinaut.now() - %(keep_runs)s::interval, %(most)s)
    else 'busy' end as fate
from alone;

-- name: allow_long_statement
-- For this transaction: looking through a month of runs takes as long as it takes.
select set_config('statement_timeout', %(timeout)s, true);

-- name: sweep_history
-- What is old and in no partition that could be dropped as a whole: rows in the default partitions, and in tables without
-- any. In bounded parts; how many rows it was.
-- Locks: the rows it deletes, in the default partitions themselves. A statement on the partitioned table would look into
-- every one.
with kept as materialized (
    select ordinaut.now() - %(keep_runs)s::interval as runs_since,
        ordinaut.run_id_floor(ordinaut.now() - %(keep_runs)s::interval) as first_run,
        -- What is not published is kept.
        least(ordinaut.now() - %(keep_events)s::interval, (select min(o.occurred_at) from ordinaut.outbox o)) as events_since
), runs as (
    delete from ordinaut.run_default
    where run_id = any(array(
        select r.run_id from ordinaut.run_default r, kept k
        where r.run_id < k.first_run and r.finished_at is not null
            and coalesce(r.finished_at, r.created_at) < k.runs_since
        order by r.run_id limit %(limit)s))
    returning 1
), results as (
    delete from ordinaut.step_result_default
    where ctid = any(array(
        select d.ctid from ordinaut.step_result_default d, kept k
        where d.run_id < k.first_run and not exists (select from ordinaut.run r where r.run_id = d.run_id)
        limit %(limit)s))
    returning 1
), attempts as (
    delete from ordinaut.step_attempt_default
    where ctid = any(array(
        select d.ctid from ordinaut.step_attempt_default d, kept k
        where d.run_id < k.first_run and not exists (select from ordinaut.run r where r.run_id = d.run_id)
        limit %(limit)s))
    returning 1
), intents as (
    delete from ordinaut.step_intent_default
    where ctid = any(array(
        select d.ctid from ordinaut.step_intent_default d, kept k
        where d.run_id < k.first_run and not exists (select from ordinaut.run r where r.run_id = d.run_id)
        limit %(limit)s))
    returning 1
), usage as (
    delete from ordinaut.call_usage_default
    where ctid = any(array(
        select d.ctid from ordinaut.call_usage_default d, kept k
        where d.run_id < k.first_run and not exists (select from ordinaut.run r where r.run_id = d.run_id)
        limit %(limit)s))
    returning 1
), waits as (
    delete from ordinaut.wait
    where ctid = any(array(
        select d.ctid from ordinaut.wait d, kept k
        where d.run_id < k.first_run and not exists (select from ordinaut.run r where r.run_id = d.run_id)
        limit %(limit)s))
    returning 1
), events as (
    delete from ordinaut.event_log_default
    where ctid = any(array(
        select d.ctid from ordinaut.event_log_default d, kept k where d.occurred_at < k.events_since limit %(limit)s))
    returning 1
), turns as (
    -- Those of runs that were over before they had their turn.
    delete from ordinaut.rate_turn t
    where t.ctid = any(array(
        select d.ctid from ordinaut.rate_turn d
        where d.ready_at < date_trunc('hour', ordinaut.now())
            and not exists (select from ordinaut.due_work w where w.run_id = d.run_id)
        limit %(limit)s))
    returning 1
), holds as (
    delete from ordinaut.budget_hold h
    where h.ctid = any(array(
        select d.ctid from ordinaut.budget_hold d
        where not exists (select from ordinaut.due_work w where w.run_id = d.run_id and w.lease_epoch = d.lease_epoch)
        limit %(limit)s))
    returning 1
), counted as (
    -- Runs are counted for a day.
    delete from ordinaut.budget_run r
    where r.ctid = any(array(
        select d.ctid from ordinaut.budget_run d where d.began_at < ordinaut.now() - interval '2 days' limit %(limit)s))
    returning 1
), buckets as (
    -- A full one is as good as none. Each value of a key has one, so they are not kept for as long as runs are.
    delete from ordinaut.rate_bucket
    where spent_until < date_trunc('hour', ordinaut.now()) and bucket = any(array(
        select bucket from ordinaut.rate_bucket where spent_until < date_trunc('hour', ordinaut.now()) limit %(limit)s))
    returning 1
), runtimes as (
    delete from ordinaut.runtime r using kept k where r.heartbeat_at < k.runs_since returning 1
)
select (select count(*) from runs) + (select count(*) from results) + (select count(*) from attempts)
    + (select count(*) from intents) + (select count(*) from usage) + (select count(*) from waits) + (select count(*) from events)
    + (select count(*) from turns) + (select count(*) from holds) + (select count(*) from counted) + (select count(*) from buckets) + (select count(*) from runtimes) as swept;
