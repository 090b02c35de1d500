-- What was applied, revision by revision.

-- name: list_revisions
-- Of every project, newest first; of one document those that wrote it, with the facets that each of them changed.
select v.revision_id as revision, v.parent_id as parent, v.kind, v.project, v.environment, v.git_commit as commit,
    v.git_tree as tree, v.git_branch as branch, v.git_dirty as dirty, v.pull_request, v.author, v.actor, v.applied_at,
    v.plan_digest, v.summary ->> 'reason' as reason, v.summary ->> 'override_freeze' as override_freeze,
    coalesce(v.summary -> 'override_policies', '{}') as override_policies,
    v.summary -> 'approval' as approval,
    case when n.applied_commit <> v.git_commit or v.git_dirty or v.git_commit is null then n.applied_commit end
        as confirmed_commit, w.written, d.action,
    coalesce(d.is_back, false) as brought_back, coalesce(d.facets, '{}') as facets
from ordinaut.revision v
left join ordinaut.source_status n on n.project = v.project and n.environment = v.environment and n.claim = '{}'
    and n.applied_revision = v.revision_id
cross join lateral (
    select jsonb_build_object(
        'created', count(*) filter (where r.action = 'create' and not b.is_back),
        'brought_back', count(*) filter (where r.action = 'create' and b.is_back), 'updated', count(*) filter (where r.action = 'update'),
        'renamed', count(*) filter (where r.action = 'rename'), 'adopted', count(*) filter (where r.action = 'adopt'),
        'retired', count(*) filter (where r.action = 'retire')) as written
    from ordinaut.spec_revision r
    cross join lateral (
        select r.action = 'create' and exists (
            select from ordinaut.spec_revision e where e.uid = r.uid and e.revision_id < r.revision_id) as is_back) b
    where r.revision_id = v.revision_id) w
left join lateral (
    select r.action, r.action = 'create' and before.facets is not null as is_back, array(
        select f.key from jsonb_each(r.facets) f
        where r.action <> 'retire' and (before.facets is null or f.value is distinct from before.facets -> f.key)
        order by f.key) as facets
    from ordinaut.spec_revision r
    left join lateral (
        select b.facets from ordinaut.spec_revision b
        where b.uid = r.uid and b.revision_id < r.revision_id
        order by b.revision_id desc limit 1) before on true
    where r.uid = %(uid)s::bigint and r.revision_id = v.revision_id) d on true
where (%(uid)s::bigint is null or d.action is not null)
    and (%(revision_id)s::bigint is null or v.revision_id = %(revision_id)s)
    and (%(before)s::bigint is null or v.revision_id < %(before)s)
order by v.revision_id desc
limit %(limit)s;

-- name: find_document
-- The uid of a document, retired or not.
select uid from ordinaut.spec where kind = %(kind)s and namespace = %(namespace)s and name = %(name)s;

-- name: list_document_names
-- Every document in force of a kind.
select namespace, name from ordinaut.spec where kind = %(kind)s and retired_at is null order by namespace, name;

-- name: read_documents_as_of
-- Every document of a project and environment as a revision left it. One that somebody else took over since its last
-- write counts for them.
select d.uid, d.revision_id, d.action, d.body, d.digest, d.facets, d.file, d.line
from (
    select distinct on (r.uid) r.uid, r.revision_id, r.action, r.body, r.digest, r.facets, r.file, r.line,
        v.project, v.environment
    from ordinaut.spec_revision r
    join ordinaut.revision v on v.revision_id = r.revision_id
    where r.revision_id <= %(revision_id)s
        and r.uid in (
            select o.uid from ordinaut.spec_revision o join ordinaut.revision w on w.revision_id = o.revision_id
            where w.project = %(project)s and w.environment = %(environment)s)
    order by r.uid, r.revision_id desc
) d
where d.project = %(project)s and d.environment = %(environment)s and d.action <> 'retire'
order by d.uid;

-- name: read_documents_of
-- What one revision wrote.
select uid, revision_id, action, body, digest, facets, file, line
from ordinaut.spec_revision where revision_id = %(revision_id)s order by uid;

-- name: read_documents_before
-- What the documents that a revision wrote were just before.
select b.uid, b.revision_id, b.action, b.body, b.digest, b.facets, b.file, b.line,
    case when b.action = 'retire' then v.applied_at end as retired_at
from ordinaut.spec_revision r
cross join lateral (
    select * from ordinaut.spec_revision o
    where o.uid = r.uid and o.revision_id < r.revision_id order by o.revision_id desc limit 1) b
join ordinaut.revision v on v.revision_id = b.revision_id
where r.revision_id = %(revision_id)s
order by b.uid;

-- name: list_document_bodies
-- What a document said, by the newest revisions that wrote it.
select revision_id, body from ordinaut.spec_revision where uid = %(uid)s order by revision_id desc limit %(limit)s;
