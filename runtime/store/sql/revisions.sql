-- What one apply writes, in this order, in one transaction.

-- name: limit_apply
-- For this transaction: how long it waits for a lock, and no limit on a statement, as a first apply may be large.
select set_config('lock_timeout', %(milliseconds)s || 'ms', true), set_config('statement_timeout', '0', true);

-- name: lock_project
-- One apply at a time of a project in an environment; ends with the transaction, so it can never be left behind.
select pg_advisory_xact_lock(hashtextextended(%(project)s || chr(31) || %(environment)s, 0));

-- name: find_lock_holder
-- Who holds the lock of `lock_project`, and since when.
select a.application_name as application, a.pid, a.xact_start as since
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
cross join hashtextextended(%(project)s || chr(31) || %(environment)s, 0) as key
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
    and l.database = (select oid from pg_database where datname = current_database())
    and l.classid::bigint = (key >> 32) & 4294967295 and l.objid::bigint = key & 4294967295;

-- name: lock_specs
-- Locks: the rows of these documents, by uid, so that nothing else changes them before the commit.
select uid from ordinaut.spec where uid = any(%(uids)s::bigint[]) order by uid for no key update;

-- name: end_passed_pauses
-- Before `lock_schedules`: pauses of these tasks that are over by their own time, though no runtime came round to them.
-- Locks: those schedule rows, by task.
with passed as materialized (
    select c.task_uid, o.override_id
    from ordinaut.schedule c
    join ordinaut.task_override o on o.task_uid = c.task_uid
    where c.task_uid = any(%(uids)s::bigint[])
        and o.kind = 'pause' and o.ended_at is null and o.until <= ordinaut.now()
    order by c.task_uid
    for update of c
), ended as (
    update ordinaut.task_override o set ended_at = o.until
    from passed p
    where o.override_id = p.override_id
    returning o.task_uid, o.created_at
), resumed as (
    update ordinaut.schedule c set paused_at = null from passed p where c.task_uid = p.task_uid
)
insert into ordinaut.event_log (type, subject, data)
select 'task.resumed', t.label, jsonb_build_object('task', t.label, 'paused_at', e.created_at)
from ended e
cross join lateral (
    select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end as label
    from ordinaut.spec s where s.uid = e.task_uid) t
order by e.task_uid;

-- name: lock_schedules
-- The schedules of these tasks as they stand, each with the body that it was made of; one that was moved by hand does not
-- know what comes next.
-- Locks: the schedule rows, by task, so that no runtime fires them before the commit.
select c.task_uid, c.generation, c.cursor_for, c.next_for, c.paused_at is not null as paused,
    c.snoozed_since, c.snoozed_until, array(
        select array[o.created_at, o.ended_at] from ordinaut.task_override o
        where c.cursor_for < c.snoozed_since and o.task_uid = c.task_uid and o.kind = 'snooze'
            and o.ended_at > c.cursor_for and o.created_at < c.snoozed_since) as snoozed_before,
    c.seal is distinct from ordinaut.seal(c.cursor_for, c.next_for, c.next_due_at) as moved, s.revision_id, s.body
from ordinaut.schedule c
join ordinaut.spec s on s.uid = c.task_uid
where c.task_uid = any(%(uids)s::bigint[])
order by c.task_uid
for update of c;

-- name: remember_defaults
insert into ordinaut.defaults (digest, fields) values (%(digest)s, %(fields)s) on conflict do nothing;

-- name: insert_revision
insert into ordinaut.revision
    (parent_id, project, environment, kind, git_commit, git_tree, git_branch, git_dirty, pull_request, author, actor,
     plan_digest, normaliser_version, defaults, summary)
values
    (%(parent_id)s, %(project)s, %(environment)s, %(kind)s, %(git_commit)s, %(git_tree)s, %(git_branch)s, %(git_dirty)s,
     %(pull_request)s, %(author)s, %(actor)s, %(plan_digest)s, %(normaliser_version)s, %(defaults)s, %(summary)s)
returning revision_id, applied_at;

-- name: create_stage
-- The changes of this apply, for as long as its transaction lasts.
create temporary table stage (
    uid bigint, action text, project text, environment text, kind text, namespace text, name text, body jsonb,
    digest text, facets jsonb, protected boolean, file text, line integer
) on commit drop;

-- name: copy_stage
copy stage (uid, action, project, environment, kind, namespace, name, body, digest, facets, protected, file, line)
from stdin;

-- name: free_names
-- A tombstone gives up its name to a document that gets it, and so does, until it has its new one, a document that has
-- another by now; `~` is in no name that anybody can write.
update ordinaut.spec s
set name = s.name || '~' || s.uid
from stage c
where s.uid = c.uid and (s.kind, s.namespace, s.name) <> (c.kind, c.namespace, c.name)
    or s.kind = c.kind and s.namespace = c.namespace and s.name = c.name and s.uid is distinct from c.uid
        and s.retired_at is not null and c.action <> 'retire';

-- name: create_specs
-- New documents, in order of their keys; the stage learns their uids.
with created as (
    insert into ordinaut.spec (project, environment, kind, namespace, name, revision_id, body, digest, protected)
    select project, environment, kind, namespace, name, %(revision_id)s, body, digest, protected
    from stage where uid is null
    order by kind, namespace, name
    returning uid, kind, namespace, name
)
update stage c
set uid = n.uid
from created n
where c.uid is null and n.kind = c.kind and n.namespace = c.namespace and n.name = c.name;

-- name: update_specs
-- Documents that go on, come back, are renamed or taken over.
update ordinaut.spec s
set project = c.project, environment = c.environment, kind = c.kind, namespace = c.namespace, name = c.name,
    revision_id = %(revision_id)s, body = c.body, digest = c.digest, protected = c.protected, retired_at = null
from stage c
where s.uid = c.uid and c.action <> 'retire' and s.revision_id <> %(revision_id)s;

-- name: retire_specs
-- The row and its history stay, under the name that was applied; a pause or a snooze ends with its task.
with retired as (
    update ordinaut.spec s
    set namespace = c.namespace, name = c.name, revision_id = %(revision_id)s, retired_at = ordinaut.now()
    from stage c
    where s.uid = c.uid and c.action = 'retire'
    returning s.uid
), ended as (
    update ordinaut.task_override o set ended_at = ordinaut.now()
    from retired r
    where o.task_uid = r.uid and o.ended_at is null
)
update ordinaut.schedule c
set paused_at = null, snoozed_until = case when c.snoozed_until > ordinaut.now()
    then greatest(c.snoozed_since, ordinaut.now()) else c.snoozed_until end
from retired r
where c.task_uid = r.uid and (c.paused_at is not null or c.snoozed_until > ordinaut.now());

-- name: insert_spec_revisions
-- What this revision wrote; a retirement repeats what was applied, whatever the row holds.
insert into ordinaut.spec_revision (uid, revision_id, action, body, digest, facets, file, line)
select s.uid, %(revision_id)s, c.action, coalesce(last.body, s.body), coalesce(c.digest, last.digest, s.digest),
    coalesce(c.facets, last.facets, '{}'),
    coalesce(c.file, last.file, ''), coalesce(c.line, last.line, 0)
from stage c
join ordinaut.spec s on s.uid = c.uid
left join lateral (
    select r.body, r.digest, r.facets, r.file, r.line from ordinaut.spec_revision r
    where r.uid = c.uid order by r.revision_id desc limit 1
) last on c.action = 'retire';

-- name: list_staged_uids
select uid, kind, namespace, name from stage where kind = 'Task' and action <> 'retire';

-- name: arm_schedules
-- What fires next, by a new schedule; an older firing finds another generation and writes nothing. A task that is paused or
-- snoozed stays so.
insert into ordinaut.schedule
    (task_uid, cursor_for, next_for, next_due_at, seal, tzdata, paused_at, snoozed_since, snoozed_until)
select a.task_uid, %(now)s, a.next_for, a.next_due_at, ordinaut.seal(%(now)s, a.next_for, a.next_due_at), %(tzdata)s,
    (select o.created_at from ordinaut.task_override o
     where o.task_uid = a.task_uid and o.kind = 'pause' and o.ended_at is null),
    z.created_at, z.until
from unnest(%(task_uids)s::bigint[], %(next_fors)s::timestamptz[], %(next_due_ats)s::timestamptz[])
    as a(task_uid, next_for, next_due_at)
left join ordinaut.task_override z on z.task_uid = a.task_uid and z.kind = 'snooze' and z.ended_at is null
order by a.task_uid
on conflict (task_uid) do update
set generation = ordinaut.schedule.generation + 1, cursor_for = excluded.cursor_for, next_for = excluded.next_for,
    next_due_at = excluded.next_due_at, seal = excluded.seal, tzdata = excluded.tzdata;

-- name: disarm_schedules
-- Tasks that no clock drives any more, retired ones among them.
update ordinaut.schedule c
set generation = generation + 1, cursor_for = %(now)s, next_for = null, next_due_at = null,
    seal = ordinaut.seal(%(now)s, null, null)
where c.task_uid = any(%(task_uids)s::bigint[]);

-- name: skip_occurrences
-- Occurrences that were due when their schedule was retired or replaced, and do not run.
with skipped as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, occurrence_for, due_at, state, reason, detail, finished_at, tzdata)
    select run_id, task_uid, revision_id, 'schedule', occurrence_for, due_at, 'skipped', reason, detail, ordinaut.now(),
        %(tzdata)s
    from jsonb_to_recordset(%(decisions)s) as d(
        run_id uuid, task_uid bigint, revision_id bigint, occurrence_for timestamptz, due_at timestamptz, reason text,
        detail text)
    on conflict (run_id) do nothing
    returning run_id, task_uid, occurrence_for, reason
)
insert into ordinaut.event_log (type, subject, run_id, data)
select 'run.skipped', t.label, k.run_id, jsonb_build_object(
    'task', t.label, 'run_id', k.run_id, 'trigger', 'schedule', 'occurrence_for', k.occurrence_for, 'reason', k.reason)
from skipped k
cross join lateral (
    select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end as label
    from ordinaut.spec s where s.uid = k.task_uid) t
order by k.run_id;

-- name: cancel_retired_runs
-- Runs of retired tasks: those that no runtime has begun, and where the task was applied with `on_retire: cancel`, those
-- under way. A claim raises lease_epoch, so what is claimed at this moment goes on as work under way does; whoever leads
-- a run that is cancelled finds its lease gone, and nothing it writes is kept.
-- Locks: the backlog rows, then the due_work rows, each by run, passing over those that a claim holds.
with retired as materialized (
    select r.uid, coalesce(r.body ->> 'on_retire' = 'cancel', false) as cancels
    from ordinaut.spec s
    join ordinaut.spec_revision r on r.uid = s.uid and r.revision_id = s.revision_id
    where s.uid = any(%(task_uids)s::bigint[])
), behind as materialized (
    select b.run_id from ordinaut.backlog b
    where b.task_uid = any(%(task_uids)s::bigint[])
    order by b.run_id
    for update
), unqueued as (
    delete from ordinaut.backlog b using behind d where b.run_id = d.run_id returning b.run_id
), waiting as materialized (
    select w.run_id
    from ordinaut.due_work w
    join retired t on t.uid = w.task_uid
    where not t.cancels and w.lease_epoch = 0 and (select count(*) from unqueued) >= 0
    order by w.run_id
    for update of w skip locked
), under_way as materialized (
    select w.run_id
    from ordinaut.due_work w
    join retired t on t.uid = w.task_uid
    where t.cancels and (select count(*) from waiting) >= 0
    order by w.run_id
    for update of w
), ending as materialized (
    -- What has steps of `finally` is over after these.
    select run_id, ordinaut.begin_finally(run_id, 'retired', null, null) as last from under_way
), dropped as (
    delete from ordinaut.due_work w
    using (select run_id from waiting union all select run_id from ending where last = 'none') d
    where w.run_id = d.run_id
    returning w.run_id
), cancelled as (
    update ordinaut.run r
    set state = 'cancelled', reason = 'retired', finished_at = ordinaut.now()
    from (select run_id from dropped union all select run_id from unqueued) d
    where r.run_id = d.run_id
    returning r.run_id, r.task_uid, r.trigger, r.occurrence_for, r.started_at
)
insert into ordinaut.event_log (type, subject, run_id, data)
select 'run.cancelled', t.label, r.run_id, jsonb_build_object(
    'task', t.label, 'run_id', r.run_id, 'trigger', r.trigger, 'occurrence_for', r.occurrence_for,
    'seconds', coalesce(round(extract(epoch from ordinaut.now() - r.started_at), 3), 0), 'reason', 'retired')
from cancelled r
cross join lateral (
    select case s.namespace when 'default' then s.name else s.namespace || '/' || s.name end as label
    from ordinaut.spec s where s.uid = r.task_uid) t
order by r.run_id;

-- name: tell_tasks
-- One event a task.
insert into ordinaut.event_log (type, subject, data)
select case c.action when 'create' then 'task.created' when 'retire' then 'task.retired' else 'task.updated' end,
    t.label, jsonb_build_object('task', t.label, 'project', c.project, 'revision', %(revision_id)s::bigint)
from stage c
cross join lateral (
    select case c.namespace when 'default' then c.name else c.namespace || '/' || c.name end as label) t
where c.kind = 'Task'
order by t.label;

-- name: tell_revision
insert into ordinaut.event_log (type, subject, data) values ('revision.applied', %(project)s, %(data)s);
