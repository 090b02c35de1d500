-- name: register_runtime
insert into ordinaut.runtime (host, pid, version, duties) values (%(host)s, %(pid)s, %(version)s, %(duties)s)
returning runtime_id;

-- name: beat_runtime
-- Says that a runtime is alive, ends pauses and snoozes whose time is over (how many), and looks once for all that services may have
-- missed: the newest revision, schedules that are due or runs that wait for their turn, work that is ready, runs at the
-- gate, and events that nobody has published; and a schema that this program cannot work with.
-- Locks: the documents of these tasks, passing over those that somebody else is at, who changes the pause or comes round
-- to it at the next beat; then the schedules.
with alive as (
    update ordinaut.runtime set heartbeat_at = ordinaut.now(), draining = %(draining)s where runtime_id = %(runtime_id)s
), expired as materialized (
    select o.override_id, case p.namespace when 'default' then p.name else p.namespace || '/' || p.name end as label
    from ordinaut.task_override o
    join ordinaut.spec p on p.uid = o.task_uid
    where o.ended_at is null and o.until <= ordinaut.now()
    order by o.task_uid
    for no key update of p skip locked
), ended as (
    update ordinaut.task_override o
    set ended_at = o.until
    from expired e
    where o.override_id = e.override_id and o.ended_at is null and o.until <= ordinaut.now()
    returning o.task_uid, o.kind, o.created_at, e.label
), resumed as (
    update ordinaut.schedule c set paused_at = null from ended e where c.task_uid = e.task_uid and e.kind = 'pause'
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select 'task.resumed', e.label,
        jsonb_build_object('task', e.label, 'paused_at', e.created_at)
            || case e.kind when 'pause' then '{}' else jsonb_build_object('kind', e.kind) end
    from ended e
    order by e.task_uid
)
select (select count(*) from ended) as resumed,
    (select coalesce(max(revision_id), 0) from ordinaut.revision) as newest_revision,
    exists (
        select from ordinaut.schedule s
        where s.next_due_at <= ordinaut.now() and s.next_due_at is not null and s.paused_at is null)
        or exists (select from ordinaut.backlog) as are_schedules_due,
    exists (
        select from generate_series(1, 9) as l(lane)
        cross join lateral (
            select from ordinaut.due_work d
            where d.lane = l.lane and d.ready_at <= ordinaut.now() and d.lease_until < ordinaut.now()
            order by d.ready_at, d.run_id
            limit 1) w) as is_work_ready,
    exists (
        select from generate_series(101, 109) as l(lane)
        cross join lateral (
            select from ordinaut.due_work d
            where d.lane = l.lane and d.ready_at <= ordinaut.now()
            order by d.ready_at, d.run_id
            limit 1) w) as is_gate_busy,
    exists (select from ordinaut.outbox) as are_events_left,
    exists (
        select from public.ordinaut_migration m
        where m.number > %(newest_migration)s and coalesce((to_jsonb(m) ->> 'breaking')::boolean, false)) as is_outdated;

-- name: stop_runtime
update ordinaut.runtime set stopped_at = ordinaut.now(), heartbeat_at = ordinaut.now() where runtime_id = %(runtime_id)s;

-- name: newest_revision
select coalesce(max(revision_id), 0) from ordinaut.revision;

-- name: list_live_specs
-- What runs depend on beside their own task: servers, agents, and where secrets are.
select kind, namespace, name, project, body
from ordinaut.spec
where retired_at is null and kind in ('ToolServer', 'Agent', 'Project');

-- name: load_task_revisions
-- The immutable bodies that runs are pinned to.
select r.uid, r.revision_id, p.namespace, p.name, p.project, r.body
from unnest(%(uids)s::bigint[], %(revision_ids)s::bigint[]) as wanted(uid, revision_id)
join ordinaut.spec_revision r on r.uid = wanted.uid and r.revision_id = wanted.revision_id
join ordinaut.spec p on p.uid = r.uid;

-- name: listen
-- The channel that applies and manual runs notify after their commit.
listen ordinaut_wake;

-- name: wake
-- Out of band, never inside the transaction that did the work: NOTIFY takes a lock that serialises commits.
notify ordinaut_wake;

-- name: cry
-- As `wake`, to those runtimes whom it concerns.
select pg_notify('ordinaut_wake', %(hint)s);
