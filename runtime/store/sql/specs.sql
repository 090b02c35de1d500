-- name: read_ground
-- Which database this is, and what time it is there.
select installation_id, ordinaut.now() as now from ordinaut.installation;

-- name: read_base
-- The last revision of a project in an environment, with the newest commit that is known to say what is in force: its
-- own, or one that was found to change nothing. A revision that restores another says nothing new.
select v.revision_id, coalesce(n.applied_commit, v.git_commit) as git_commit,
    v.git_dirty and n.applied_commit is null as git_dirty, v.actor, v.applied_at, v.plan_digest
from ordinaut.revision v
left join ordinaut.source_status n on n.project = v.project and n.environment = v.environment and n.claim = '{}'
    and n.applied_revision >= (
        select max(r.revision_id) from ordinaut.revision r
        where r.project = %(project)s and r.environment = %(environment)s and r.kind <> 'heal')
where v.project = %(project)s and v.environment = %(environment)s
order by v.revision_id desc
limit 1;

-- name: read_specs
-- Every document of a project in an environment, and those of anybody whose rows have the given keys: what the last
-- revision wrote, whatever somebody made of the row, and what of the row is something else. Bodies are compared, not
-- digests: whoever edits a row by hand does not compute one. Rows that no revision wrote are what they say.
with found as materialized (
    select uid, project, environment, kind, namespace, name, revision_id, protected, retired_at, digest, facets,
        nullif(strayed, '{}') as strayed
    from ordinaut.applied_spec
    where (project = %(project)s and environment = %(environment)s)
        or (row_kind, row_namespace, row_name) in (
            select * from unnest(%(kinds)s::text[], %(namespaces)s::text[], %(names)s::text[]))
)
select f.uid, f.project, f.environment, f.kind, f.namespace, f.name, f.revision_id, f.protected, f.retired_at,
    f.digest as last_digest, f.facets as last_facets, f.strayed,
    case when f.strayed is not null then (
        select jsonb_build_object(
            'key', array[s.kind, s.namespace, s.name], 'owner', array[s.project, s.environment],
            'protected', s.protected, 'retired', s.retired_at is not null)
        from ordinaut.spec s where s.uid = f.uid) end as strayed_to,
    case when f.digest is null or 'content' = any(f.strayed) then (
        select s.body from ordinaut.spec s where s.uid = f.uid) end as other_body
from found f;

-- name: read_misnumbered
-- What was written last of those of these rows that somebody gave the number of a revision which did not write them.
select s.uid, v.project, v.environment, n.digest, n.facets
from ordinaut.spec s
cross join lateral (
    select * from ordinaut.spec_revision r where r.uid = s.uid order by r.revision_id desc limit 1) n
join ordinaut.revision v on v.revision_id = n.revision_id
where s.uid = any(%(uids)s::bigint[]) and s.retired_at is null and n.action <> 'retire'
    and (n.body ->> 'kind', n.body ->> 'namespace', n.body ->> 'name') = (s.kind, s.namespace, s.name);

-- name: read_bodies
-- What the rows of these documents hold; a name or a protection that somebody gave the row beside its content as if it
-- were written there.
select s.uid, case when jsonb_typeof(s.body) = 'object' then s.body || jsonb_strip_nulls(jsonb_build_object(
        'kind', case when 'name' = any(a.strayed) then s.kind end,
        'namespace', case when 'name' = any(a.strayed) then s.namespace end,
        'name', case when 'name' = any(a.strayed) then s.name end,
        'protect', case when 'protected' = any(a.strayed) then s.protected end)) else s.body end as body
from ordinaut.spec s
join ordinaut.applied_spec a on a.uid = s.uid
where s.uid = any(%(uids)s::bigint[]);

-- name: read_applied_bodies
-- What the last revisions of these documents wrote, whatever the rows hold by now.
select distinct on (uid) uid, body
from ordinaut.spec_revision
where uid = any(%(uids)s::bigint[])
order by uid, revision_id desc;

-- name: read_filled_otherwise
-- What the last revisions of these documents wrote, of those by other defaults than the given ones, and by which.
select r.uid, r.body, d.fields
from ordinaut.spec s
join ordinaut.spec_revision r on r.uid = s.uid and r.revision_id = s.revision_id
join ordinaut.revision v on v.revision_id = r.revision_id
left join ordinaut.defaults d on d.digest = v.defaults
where s.uid = any(%(uids)s::bigint[]) and v.defaults is distinct from %(digest)s;

-- name: read_overrides
-- The pauses and snoozes in force for a project's tasks.
select s.namespace, s.name, o.kind, o.actor, o.reason, o.created_at as since, o.until,
    jsonb_path_query_first(r.body, '$.schedule[*].timezone') #>> '{}' as timezone
from ordinaut.task_override o
join ordinaut.spec s on s.uid = o.task_uid
left join ordinaut.spec_revision r on r.uid = s.uid and r.revision_id = s.revision_id
where s.project = %(project)s and s.environment = %(environment)s and s.retired_at is null
    and o.ended_at is null and (o.until is null or o.until > ordinaut.now())
order by s.namespace, s.name, o.kind;

-- name: read_queue
-- The work of these tasks: runs not begun, runs under way, whether an occurrence is due that nobody decided yet, and
-- whether retiring them cancels what is under way, as they were applied.
select t.uid as task_uid, coalesce(r.queued, 0) as queued, coalesce(r.in_flight, 0) as in_flight,
    coalesce(c.next_due_at <= ordinaut.now(), false) as overdue,
    coalesce(b.body ->> 'on_retire' = 'cancel', false) as cancels
from unnest(%(uids)s::bigint[]) as t(uid)
join ordinaut.spec s on s.uid = t.uid
left join ordinaut.spec_revision b on b.uid = s.uid and b.revision_id = s.revision_id
left join ordinaut.schedule c on c.task_uid = t.uid
left join (
    select task_uid, count(*) filter (where state = 'queued') as queued,
        count(*) filter (where state <> 'queued') as in_flight
    from ordinaut.run
    where task_uid = any(%(uids)s::bigint[]) and finished_at is null
    group by task_uid
) r on r.task_uid = t.uid
where r.task_uid is not null or c.next_due_at <= ordinaut.now();

-- name: explain_staleness
-- The revision that last wrote each of these documents, who made it, and the facets in which it differs from the one
-- before it.
select s.kind, s.namespace, s.name, v.revision_id, v.git_commit, v.actor, v.applied_at, r.action,
    array(
        select f.key from jsonb_each(r.facets) f
        where before.facets is null or f.value is distinct from before.facets -> f.key
        order by f.key) as facets
from ordinaut.spec s
join ordinaut.spec_revision r on r.uid = s.uid and r.revision_id = s.revision_id
join ordinaut.revision v on v.revision_id = r.revision_id
left join lateral (
    select b.facets from ordinaut.spec_revision b
    where b.uid = r.uid and b.revision_id < r.revision_id
    order by b.revision_id desc
    limit 1
) before on true
where (s.kind, s.namespace, s.name) in (
    select * from unnest(%(kinds)s::text[], %(namespaces)s::text[], %(names)s::text[]))
order by s.kind, s.namespace, s.name;

-- name: find_apply
-- Whether a plan of this digest was applied, and as which revision.
select max(revision_id) from ordinaut.revision
where project = %(project)s and environment = %(environment)s and plan_digest = %(digest)s;
