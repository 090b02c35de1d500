-- Events that start runs: who listens, what was heard, and what became of it.

-- name: arm_listeners
-- What these tasks listen to as a new revision has it. One that listens as before keeps what it has heard; where another
-- window is in force now, that is decided at once. One that listens no more keeps its row until that is decided too, and
-- all that came before is delivered.
-- Locks: the listener rows, by task, after the documents.
with wanted as materialized (
    select * from jsonb_to_recordset(%(armed)s) as w(
        task_uid bigint, digest text, position smallint, topic text, filter text, of_task text, late_after interval, quiet interval, most integer,
        within interval)
), held as materialized (
    select l.task_uid, l.digest from ordinaut.listener l
    where l.task_uid = any(%(task_uids)s::bigint[])
    order by l.task_uid, l.digest
    for update
), gone as (
    update ordinaut.listener l
    set position = -1, fire_at = ordinaut.now(), until = coalesce(l.until, ordinaut.now())
    from held h
    where l.task_uid = h.task_uid and l.digest = h.digest
        and not exists (select from wanted w where w.task_uid = l.task_uid and w.digest = l.digest)
)
insert into ordinaut.listener (task_uid, digest, position, topic, filter, of_task, late_after, quiet, most, within)
select task_uid, digest, position, topic, filter, of_task, late_after, quiet, most, within from wanted order by task_uid, digest
on conflict (task_uid, digest) do update
set position = excluded.position, of_task = excluded.of_task, late_after = excluded.late_after, quiet = excluded.quiet, most = excluded.most, within = excluded.within,
    since = case when ordinaut.listener.position < 0 then excluded.since else ordinaut.listener.since end, until = null,
    fire_at = case
        when ordinaut.listener.heard = 0 then null
        when (ordinaut.listener.quiet, ordinaut.listener.most, ordinaut.listener.within)
            is distinct from (excluded.quiet, excluded.most, excluded.within) then ordinaut.now()
        else ordinaut.listener.fire_at end;

-- name: list_listeners
-- Who may listen to events of these topics, each of the task that stands with it, or did when they came; filters and times are
-- for the program to look at.
select l.task_uid, l.digest, l.position, l.topic, l.filter, l.since, l.until
from ordinaut.listener l
where exists (
    select from unnest(%(topics)s::text[], %(tasks)s::text[]) t(topic, task)
    where t.topic like l.topic_like and (l.of_task is null or l.of_task = t.task))
order by l.task_uid, l.position;

-- name: hear
-- Puts on record for whom events are, and when that is to be decided. In the transaction that marks them delivered.
-- Locks: the listener rows, by task; an apply that changes one comes before or after.
with told as materialized (
    select * from jsonb_to_recordset(%(heard)s) as h(
        task_uid bigint, digest text, event_no bigint, arrived_at timestamptz, reason text, detail text)
), total as (
    select task_uid, digest, count(*) as events, min(arrived_at) as first_at, max(arrived_at) as last_at
    from told group by task_uid, digest
), listening as materialized (
    select l.task_uid, l.digest
    from ordinaut.listener l
    join total t on t.task_uid = l.task_uid and t.digest = l.digest
    order by l.task_uid, l.digest
    for update of l
), stepped as (
    update ordinaut.listener l
    set heard = l.heard + t.events,
        fire_at = case
            when l.position < 0 then ordinaut.now()
            when l.quiet is not null then greatest(l.fire_at, t.last_at + l.quiet)
            when l.most > l.heard + t.events then least(l.fire_at, t.first_at + l.within)
            else least(l.fire_at, ordinaut.now()) end
    from listening g
    join total t on t.task_uid = g.task_uid and t.digest = g.digest
    where l.task_uid = g.task_uid and l.digest = g.digest
), kept as (
    insert into ordinaut.heard (task_uid, event_no, digest, arrived_at, reason, detail)
    select t.task_uid, t.event_no, t.digest, t.arrived_at, t.reason, t.detail
    from told t
    join listening g on g.task_uid = t.task_uid and g.digest = t.digest
    on conflict (task_uid, event_no) do nothing
    returning task_uid
)
select count(*)::integer as heard from kept;

-- name: hears_own
-- Whether some task listens to our own events.
select exists (select from ordinaut.listener where topic like 'ordinaut.%%' and position >= 0) as hears;

-- name: list_due_listeners
-- Whose events are to be decided, the longest due first. Those of a paused task wait for the end of the pause; what nobody
-- listens to any more waits for nothing.
select l.task_uid, l.digest
from ordinaut.listener l
where l.fire_at <= ordinaut.now() and (l.position < 0 or not ordinaut.is_held_back(l.task_uid))
order by l.fire_at, l.task_uid
limit %(limit)s;

-- name: seconds_until_heard
-- How long until events are to be decided; no row where none wait. Tasks that cannot be decided are left out.
select extract(epoch from l.fire_at - ordinaut.now())::float8 as seconds
from ordinaut.listener l
where l.fire_at is not null and (l.position < 0 or not ordinaut.is_held_back(l.task_uid))
    and l.task_uid <> all(%(but)s::bigint[])
order by l.fire_at
limit 1;

-- name: lock_listener
-- A listener that is due, for one at a time; none where another is at it or has been. After the task's document.
-- Locks: its row, so that nothing is heard meanwhile.
select l.task_uid, l.digest, l.position, l.quiet, l.most, l.heard, l.fire_at, p.revision_id, p.body, p.retired_at,
    ordinaut.now() as now
from ordinaut.listener l
join ordinaut.spec p on p.uid = l.task_uid
where l.task_uid = %(task_uid)s and l.digest = %(digest)s and l.fire_at <= ordinaut.now()
    and (l.position < 0 or not ordinaut.is_held_back(l.task_uid))
for update of l skip locked;

-- name: lock_document
-- Locks: a task's document, retired or not.
select uid from ordinaut.spec where uid = %(task_uid)s for no key update;

-- name: list_snoozes
-- Since when and until when a task was snoozed, from an instant on.
select created_at as since, least(until, ended_at) as until
from ordinaut.task_override
where task_uid = %(task_uid)s and kind = 'snooze' and least(until, ended_at) >= %(from)s;

-- name: take_heard
-- The first events that a listener has heard: from now on they are ours to decide. With how many runs stand above each that
-- a run told of, and how many of these are of this task.
with recursive taken as materialized (
    delete from ordinaut.heard h
    where h.task_uid = %(task_uid)s and h.event_no in (
        select f.event_no from ordinaut.heard f
        where f.task_uid = %(task_uid)s and f.digest = %(digest)s
        order by f.event_no
        limit %(limit)s)
    returning h.event_no, h.reason, h.detail, h.arrived_at
), above as (
    select t.event_no, e.run_id, 1 as depth
    from taken t join ordinaut.event e on e.event_no = t.event_no
    where e.run_id is not null
    union all
    select a.event_no, case when r.trigger = 'run' then split_part(r.trigger_key, ':', 1)::uuid else c.run_id end, a.depth + 1
    from above a
    join ordinaut.run r on r.run_id = a.run_id and r.trigger in ('run', 'event')
    left join ordinaut.event c on c.event_no = case when r.trigger = 'event' then r.trigger_key::bigint end
    where a.run_id is not null and a.depth < %(chain)s
), chain as (
    select a.event_no, max(a.depth)::integer as deep, (count(*) filter (where r.task_uid = %(task_uid)s))::integer as own
    from above a join ordinaut.run r on r.run_id = a.run_id
    group by a.event_no
)
select t.event_no, e.source, e.event_id as id, e.topic, e.data, e.arrived_at, t.reason, t.detail,
    exists (
        select from ordinaut.task_override o
        where o.task_uid = %(task_uid)s and o.kind = 'pause' and o.created_at <= e.arrived_at
            and coalesce(least(o.until, o.ended_at), 'infinity') > e.arrived_at) as was_paused,
    coalesce(c.deep, 0) as deep, coalesce(c.own, 0) as own
from taken t
join ordinaut.event e on e.event_no = t.event_no
left join chain c on c.event_no = t.event_no
order by t.event_no;

-- name: count_missed
-- How many events that came in a pause wait behind those that were taken, counted no further than so many.
select count(*)::integer as missed from (
    select from ordinaut.heard h
    where h.task_uid = %(task_uid)s and h.digest = %(digest)s and h.reason is null and exists (
        select from ordinaut.task_override o
        where o.task_uid = h.task_uid and o.kind = 'pause' and o.created_at <= h.arrived_at
            and coalesce(least(o.until, o.ended_at), 'infinity') > h.arrived_at)
    limit %(most)s) h;

-- name: settle_listener
-- A listener after some of what it heard was taken: what is left is decided when its window says so. One that listens no
-- more and has nothing left goes, unless something is still to be delivered that came while it listened.
with rest as materialized (
    select count(*)::integer as heard, min(arrived_at) as first_at
    from ordinaut.heard where task_uid = %(task_uid)s and digest = %(digest)s
), own as materialized (
    select l.task_uid, l.digest, l.position >= 0 or r.heard > 0 or exists (
        select from ordinaut.event e where e.delivered_at is null and e.arrived_at < l.until) as stays
    from ordinaut.listener l, rest r
    where l.task_uid = %(task_uid)s and l.digest = %(digest)s
), gone as (
    delete from ordinaut.listener l using own o
    where l.task_uid = o.task_uid and l.digest = o.digest and not o.stays
)
update ordinaut.listener l
set heard = r.heard,
    fire_at = case
        when r.heard = 0 and l.position < 0 then ordinaut.now() + interval '1 second'
        when r.heard = 0 then null
        when l.most > r.heard and l.position >= 0 then r.first_at + l.within
        else ordinaut.now() end
from rest r, own o
where l.task_uid = o.task_uid and l.digest = o.digest and o.stays;

-- name: start_by_events
-- Runs that events start: to begin, to wait for their turn, or skipped with a reason. In the transaction that took the
-- events away, after `keep_others_from_starting` and `make_way`.
with decision as materialized (
    select * from jsonb_to_recordset(%(decisions)s) as d(
        run_id uuid, trigger_key text, occurrence_for timestamptz, due_at timestamptz, event jsonb, fate text,
        reason text, detail text, start_until timestamptz)
), new_run as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state, reason, detail, event,
         requested_by, finished_at)
    select d.run_id, %(task_uid)s, %(revision_id)s, 'event', d.trigger_key, d.occurrence_for, d.due_at,
        case when d.reason is null then 'queued' else 'skipped' end, d.reason, d.detail, d.event,
        concat(d.event ->> 'topic', ' ', d.event ->> 'id', ' of ', d.event ->> 'source'),
        case when d.reason is not null then ordinaut.now() end
    from decision d
    on conflict (run_id) do nothing
    returning run_id, occurrence_for, reason, detail
), new_work as (
    insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, start_until, lane)
    select n.run_id, %(task_uid)s, %(revision_id)s, ordinaut.now(), coalesce(d.start_until, 'infinity'), %(lane)s
    from new_run n join decision d on d.run_id = n.run_id
    where d.fate = 'begin'
), new_waiting as (
    insert into ordinaut.backlog (run_id, task_uid, revision_id, ready_at, start_until, lane)
    select n.run_id, %(task_uid)s, %(revision_id)s, ordinaut.now(), coalesce(d.start_until, 'infinity'), %(lane)s
    from new_run n join decision d on d.run_id = n.run_id
    where d.fate = 'wait'
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'run.skipped', %(task)s, n.run_id, jsonb_build_object(
        'task', %(task)s::text, 'run_id', n.run_id, 'trigger', 'event', 'occurrence_for', n.occurrence_for,
        'reason', n.reason) || case when n.detail is null then '{}' else jsonb_build_object('detail', n.detail) end
    from new_run n
    where n.reason is not null
    order by n.run_id
)
select count(*)::integer as made from new_run;
