-- What is measured of the database when somebody asks for metrics.

-- name: measure_queue
-- The hot table is small, and read once. Gated: due, and waiting for a slot of its concurrency key.
select
    count(*) filter (where lease_until >= ordinaut.now()) as leased,
    count(*) filter (where lease_until < ordinaut.now() and ready_at <= ordinaut.now() and lane < 100) as due,
    count(*) filter (where lease_until < ordinaut.now() and ready_at <= ordinaut.now() - interval '1 second' and lane < 100)
        as overdue,
    count(*) filter (where lease_until < ordinaut.now() and ready_at <= ordinaut.now() and lane > 100) as gated,
    count(*) filter (where lease_until < ordinaut.now() and ready_at > ordinaut.now()) as asleep,
    (select count(*) from ordinaut.backlog) as backlog,
    coalesce(extract(epoch from ordinaut.now() - min(ready_at) filter (
        where lease_until < ordinaut.now() and ready_at <= ordinaut.now() and lane < 100)), 0)::float8 as oldest_seconds
from ordinaut.due_work;

-- name: measure_runtimes
-- Those that live, by what they do.
select duty, count(*) as alive
from ordinaut.runtime, unnest(duties) duty
where stopped_at is null and heartbeat_at > ordinaut.now() - interval '15 seconds'
group by duty
order by duty;

-- name: measure_tasks
-- In force, by whether somebody paused or snoozed them.
select count(*) filter (where kind is null) as active, count(*) filter (where kind = 'pause') as paused,
    count(*) filter (where kind = 'snooze') as snoozed
from (
    select case when s.paused_at is not null then 'pause' else (
        select v.kind from ordinaut.task_override v
        where v.task_uid = p.uid and v.ended_at is null and (v.kind = 'pause' or v.until > ordinaut.now())
        order by v.kind limit 1) end as kind
    from ordinaut.spec p
    left join ordinaut.schedule s on s.task_uid = p.uid
    where p.kind = 'Task' and p.retired_at is null) t;

-- name: measure_partitions
-- Of each table of history.
select p.relname as "table", count(*) as partitions
from pg_inherits i
join pg_class p on p.oid = i.inhparent
join pg_namespace n on n.oid = p.relnamespace and n.nspname = 'ordinaut'
where p.relkind = 'p'
group by p.relname
order by p.relname;

-- name: measure_outbox
-- Counting stops, as in `load_outbox_status`.
select coalesce(sum(cardinality(sequences)), 0)::bigint as events,
    coalesce(extract(epoch from ordinaut.now() - min(occurred_at)), 0)::float8 as oldest_seconds
from (select sequences, occurred_at from ordinaut.outbox order by outbox_id limit 100000) waiting;

-- name: measure_sources
-- Branches that projects are pulled from, by condition; and how many cannot be reached.
select condition, count(*) as sources, count(failing_since) as unreachable
from ordinaut.source_status
where repository is not null
group by condition
order by condition;

-- name: measure_drift
select count(*) as documents
from ordinaut.drift d
join ordinaut.applied_spec a on a.uid = d.uid
where d.detected_at is not null and a.strayed <> '{}';

-- name: measure_revisions
-- The newest of each project and environment.
select project, environment, max(revision_id) as revision from ordinaut.revision group by project, environment
order by project, environment;

