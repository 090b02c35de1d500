-- Documents that somebody wrote past git.

-- name: mark_apply
-- Until the transaction ends, what is written to documents comes from an apply.
select set_config('ordinaut.applying', 'on', true);

-- name: detect_drift
-- Compares each document with what its last revision wrote, and tells what has come to differ and what does so no more,
-- each once. The policy is the one that was applied: a row that was edited does not say what becomes of the edit.
with differing as materialized (
    select a.uid, a.project, a.environment, a.strayed,
        concat_ws('/', a.kind, nullif(a.namespace, 'default'), a.name) as document, coalesce((
        select r.body ->> 'heal' from ordinaut.applied_spec p
        join ordinaut.spec_revision r on r.uid = p.uid and r.revision_id = p.revision_id
        where p.kind = 'Project' and p.project = a.project and p.environment = a.environment and not p.retired
        limit 1), 'alert') as policy
    from ordinaut.applied_spec a
    where a.strayed <> '{}'
), muted as (
    update ordinaut.drift d set detected_at = null
    from differing f
    where f.uid = d.uid and f.policy = 'off' and d.detected_at is not null
), noted as (
    insert into ordinaut.drift as d (uid, detected_at)
    select uid, ordinaut.now() from differing where policy <> 'off' order by uid
    on conflict (uid) do update set detected_at = excluded.detected_at where d.detected_at is null
    returning d.*
), over as (
    delete from ordinaut.drift d
    where not exists (select from differing f where f.uid = d.uid)
    returning d.*
), news as (
    select 'drift.detected' as type, f.document, f.project, f.environment, jsonb_build_object(
        'policy', f.policy, 'differs', f.strayed, 'changed_at', n.changed_at, 'role', n.role,
        'application', n.application, 'address', n.address) as data
    from noted n
    join differing f on f.uid = n.uid
    union all
    select 'drift.resolved', concat_ws('/', s.kind, nullif(s.namespace, 'default'), s.name), s.project, s.environment,
        jsonb_build_object('detected_at', o.detected_at, 'revision', v.revision_id, 'by', v.kind)
    from over o
    join ordinaut.spec s on s.uid = o.uid
    left join ordinaut.revision v on v.revision_id = s.revision_id and v.applied_at > o.detected_at
    where o.detected_at is not null
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select type, document,
        data || jsonb_build_object('document', document, 'project', project, 'environment', environment)
    from news
    order by type, document
    returning type, data
)
select type, data from told;

-- name: tell_restored
-- Out of band, as `wake`; should it be lost, the next look finds the same.
notify ordinaut_wake, 'restored';

-- name: list_drift
-- What differs and was told, with the policy that was applied.
select concat_ws('/', a.kind, nullif(a.namespace, 'default'), a.name) as document, a.project, a.environment,
    coalesce(p.policy, 'alert') as policy, a.strayed as differs, d.changed_at, d.role, d.application, d.address,
    d.detected_at
from ordinaut.drift d
join ordinaut.applied_spec a on a.uid = d.uid
left join lateral (
    select q.body ->> 'heal' as policy from ordinaut.applied_spec o
    join ordinaut.spec_revision q on q.uid = o.uid and q.revision_id = o.revision_id
    where o.kind = 'Project' and o.project = a.project and o.environment = a.environment and not o.retired
    limit 1) p on true
where d.detected_at is not null and a.strayed <> '{}'
order by 1, 2, 3;

-- name: read_stray_writes
-- Who wrote these documents past git, as far as it was noticed.
-- What an apply has gone over since is over.
select d.uid, d.changed_at, d.role, d.application, d.address
from ordinaut.drift d
join ordinaut.spec s on s.uid = d.uid
join ordinaut.revision v on v.revision_id = s.revision_id
where d.uid = any(%(uids)s::bigint[]) and d.changed_at > v.applied_at;

-- name: list_projects
-- Projects that something was applied for in an environment.
select distinct project from ordinaut.revision where environment = %(environment)s order by project;
