-- The branches that projects are pulled from, and what became of them. A project has one row, which names the branch
-- that brought it into force last. What another branch says of it is a claim: a row of its own, one for each branch.

-- name: find_source_project
-- The project that this branch has in force, or else the one that it claims to be.
select project from ordinaut.source_status
where repository = %(repository)s and branch = %(branch)s and folder = %(folder)s and environment = %(environment)s
order by claim
limit 1;

-- name: find_project_in_force
-- The project that this branch brought into force last.
select project from ordinaut.source_status
where repository = %(repository)s and branch = %(branch)s and folder = %(folder)s and environment = %(environment)s
    and claim = '{}';

-- name: list_applied_projects
-- All that were ever applied to an environment.
select distinct project from ordinaut.revision where environment = %(environment)s order by project;

-- name: find_source
-- What a look has to know before it does anything, of a project that may be new; the newest revisions with and without
-- those that only restored what another one says. What waits, and who let it pass, is the branch's own alone.
select l.condition, l.reason, l.seen_commit, s.applied_commit, s.applied_revision, l.plan_digest,
    l.refusals, l.approved_digest, l.approved_by, l.approved_reason, l.approved_at, l.approved_refusals, s.held_by, l.looked_at, l.fetch_error,
    v.revision_id as base_revision, v.git_commit as base_commit, n.revision_id as newest_revision, ordinaut.now() as now
from (select 1) as one
left join ordinaut.source_status s on s.project = %(project)s and s.environment = %(environment)s and s.claim = '{}'
left join lateral (
    select * from ordinaut.source_status o
    where o.project = %(project)s and o.environment = %(environment)s and o.repository = %(repository)s
        and o.branch = %(branch)s and o.folder = %(folder)s
    order by o.claim desc limit 1) l on true
left join lateral (
    select revision_id, git_commit from ordinaut.revision
    where project = %(project)s and environment = %(environment)s and kind <> 'heal'
    order by revision_id desc limit 1) v on true
left join lateral (
    select revision_id from ordinaut.revision
    where project = %(project)s and environment = %(environment)s
    order by revision_id desc limit 1) n on true;

-- name: record_source
-- What a look came to; the event is told where that is another condition, or the same about something else. A commit
-- that takes the place of one that was in force too is no news: its revision is. Where another plan waits than the one
-- that was approved, or more refuses it, or nothing can be applied, the approval is over. Only what is in force takes the row of a project over from another branch;
-- until then it is a claim, and a branch has one at most.
with place as materialized (
    select array[%(repository)s, %(branch)s, %(folder)s]::text[] as claimed, %(condition)s = 'Synced' or exists (
        select from ordinaut.source_status
        where project = %(project)s and environment = %(environment)s and claim = '{}'
            and (repository, branch, folder) = (%(repository)s, %(branch)s, %(folder)s)) as is_own
), before as materialized (
    select condition, reason, seen_commit, plan_digest, refusals, repository, branch, fetch_error, failing_since
    from ordinaut.source_status s, place p
    where project = %(project)s and environment = %(environment)s and (claim = p.claimed or (claim = '{}' and p.is_own))
    order by claim desc limit 1
), left_behind as (
    delete from ordinaut.source_status s using place p
    where s.environment = %(environment)s and s.claim = p.claimed and (p.is_own or s.project <> %(project)s)
), written as (
    insert into ordinaut.source_status as s
        (project, environment, claim, repository, branch, folder, condition, reason, message, seen_commit, plan_digest,
         plan, refusals, looked_at)
    select %(project)s, %(environment)s, case when p.is_own then '{}' else p.claimed end, %(repository)s, %(branch)s,
        %(folder)s, %(condition)s, %(reason)s, %(message)s, %(commit)s, %(plan_digest)s, %(plan)s, %(refusals)s,
        ordinaut.now()
    from place p
    on conflict (project, environment, claim) do update
    set repository = excluded.repository, branch = excluded.branch, folder = excluded.folder,
        condition = excluded.condition, reason = excluded.reason, message = excluded.message,
        seen_commit = excluded.seen_commit, plan_digest = excluded.plan_digest, plan = excluded.plan,
        refusals = excluded.refusals, looked_at = excluded.looked_at, fetch_error = null, failing_since = null,
        (approved_digest, approved_by, approved_reason, approved_at, approved_refusals) = (
            select a.digest, a.actor, a.reason, a.at, coalesce(a.refusals, '{}')
            from (select) as one
            left join (
                select s.approved_digest as digest, s.approved_by as actor, s.approved_reason as reason,
                    s.approved_at as at, s.approved_refusals as refusals
                where s.approved_digest = coalesce(excluded.plan_digest, s.approved_digest)
                    and excluded.refusals <@ s.approved_refusals
                    and excluded.condition not in ('InvalidSource', 'Held')) a on true),
        changed_at = case
            when s.condition = excluded.condition and (s.condition = 'Synced' or s.reason = excluded.reason) then s.changed_at
            else ordinaut.now() end
    where excluded.condition = 'Synced'
        or (s.repository, s.branch, s.folder) = (excluded.repository, excluded.branch, excluded.folder)
), facts as (
    select jsonb_build_object(
        'project', %(project)s::text, 'environment', %(environment)s::text, 'repository', %(repository)s::text,
        'branch', %(branch)s::text) as data
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select e.type, %(project)s, f.data || e.data
    from facts f
    cross join lateral (
        select 1 as place, 'source.reachable' as type, jsonb_build_object('failing_since', b.failing_since) as data
        from before b where b.fetch_error is not null
        union all
        select 2, %(event)s, jsonb_build_object(
            'condition', %(condition)s::text, 'reason', %(reason)s::text, 'message', %(message)s::text,
            'commit', %(commit)s::text, 'plan_digest', %(plan_digest)s::text)
        where not exists (
            select from before b
            where b.condition = %(condition)s and b.repository is not null
                and (%(condition)s = 'Synced'
                    or (b.reason, b.seen_commit, b.plan_digest, b.refusals) is not distinct from
                        (%(reason)s::text, %(commit)s::text, %(plan_digest)s::text, %(refusals)s::text[])))) e
    order by e.place
)
select from facts;

-- name: record_synced
-- After `record_source`: what is in force, and which revision was the newest then. What the branch brought into force
-- under another name before comes from nowhere now.
with former as (
    update ordinaut.source_status
    set repository = null, branch = null, folder = null, plan_digest = null, plan = null, approved_digest = null,
        approved_by = null, approved_reason = null, approved_at = null, approved_refusals = '{}', refusals = '{}',
        fetch_error = null, failing_since = null
    where environment = %(environment)s and project <> %(project)s and claim = '{}'
        and (repository, branch, folder) = (%(repository)s, %(branch)s, %(folder)s)
)
update ordinaut.source_status
set applied_commit = %(commit)s, applied_revision = (
        select max(revision_id) from ordinaut.revision where project = %(project)s and environment = %(environment)s),
    approved_digest = null, approved_by = null, approved_reason = null, approved_at = null, approved_refusals = '{}'
where project = %(project)s and environment = %(environment)s and claim = '{}';

-- name: record_in_force
-- A commit that an apply found to say what is in force already.
insert into ordinaut.source_status (project, environment, condition, reason, applied_commit, applied_revision)
values (%(project)s, %(environment)s, 'Synced', 'current', %(commit)s, %(revision)s)
on conflict (project, environment, claim) do update
set applied_commit = excluded.applied_commit, applied_revision = excluded.applied_revision;

-- name: record_unreachable
-- The repository cannot be read; told when it begins.
with before as materialized (
    select fetch_error from ordinaut.source_status
    where project = %(project)s and environment = %(environment)s
        and (repository, branch, folder) = (%(repository)s, %(branch)s, %(folder)s)
    order by claim desc limit 1
), written as (
    update ordinaut.source_status
    set fetch_error = %(message)s, failing_since = coalesce(failing_since, ordinaut.now()), looked_at = ordinaut.now()
    where project = %(project)s and environment = %(environment)s
        and (repository, branch, folder) = (%(repository)s, %(branch)s, %(folder)s)
        and fetch_error is distinct from %(message)s
)
insert into ordinaut.event_log (type, subject, data)
select 'source.unreachable', %(project)s, jsonb_build_object(
    'project', %(project)s::text, 'environment', %(environment)s::text, 'repository', %(repository)s::text,
    'branch', %(branch)s::text, 'message', %(message)s::text)
from before where fetch_error is null;

-- name: record_look
-- Nothing has changed; somebody looked.
update ordinaut.source_status set looked_at = ordinaut.now()
where project = %(project)s and environment = %(environment)s
    and (repository, branch, folder) = (%(repository)s, %(branch)s, %(folder)s);

-- name: list_sources
select project, environment, repository, branch, folder, condition, reason, message, changed_at as since, seen_commit,
    applied_commit, plan_digest, refusals, plan #>> '{source,author}' as author, looked_at, fetch_error, failing_since,
    case when approved_digest is not null then jsonb_build_object(
        'digest', approved_digest, 'actor', approved_by, 'reason', approved_reason, 'approved_at', approved_at,
        'refusals', approved_refusals) end as approval
from ordinaut.source_status
where repository is not null
order by project, environment, claim;

-- name: read_waiting_plan
select plan from ordinaut.source_status
where project = %(project)s and environment = %(environment)s and plan_digest = %(digest)s
    and (repository, branch, folder) = (%(repository)s, %(branch)s, %(folder)s);

-- name: approve_plan
-- Of the plan that waits now and no other, past what refuses it and was shown.
with approved as (
    update ordinaut.source_status
    set approved_digest = plan_digest, approved_by = %(actor)s, approved_reason = %(reason)s, approved_at = ordinaut.now(),
        approved_refusals = refusals
    where project = %(project)s and environment = %(environment)s and plan_digest = %(digest)s
        and (repository, branch, folder) = (%(repository)s, %(branch)s, %(folder)s) and condition = 'NeedsApproval'
        and refusals = %(refusals)s
    returning project, environment, repository, branch
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select 'source.approved', project, jsonb_build_object(
        'project', project, 'environment', environment, 'repository', repository, 'branch', branch,
        'plan_digest', %(digest)s::text, 'actor', %(actor)s::text, 'reason', %(reason)s::text)
    from approved
)
select from approved;

-- name: withdraw_approval
-- Of an approval that was not used; one that is being used is waited for, and then gone.
with withdrawn as (
    update ordinaut.source_status
    set approved_digest = null, approved_by = null, approved_reason = null, approved_at = null, approved_refusals = '{}'
    where project = %(project)s and environment = %(environment)s and approved_digest = %(approved)s
        and (repository, branch, folder) = (%(repository)s, %(branch)s, %(folder)s)
    returning project, environment, repository, branch
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select 'source.approval_withdrawn', project, jsonb_build_object(
        'project', project, 'environment', environment, 'repository', repository, 'branch', branch,
        'plan_digest', %(approved)s::text, 'actor', %(actor)s::text, 'reason', %(reason)s::text)
    from withdrawn
)
select from withdrawn;

-- name: lock_approval
-- Whether an approval still stands; from here on nobody takes it back.
select from ordinaut.source_status
where project = %(project)s and environment = %(environment)s and approved_digest = %(digest)s
    and approved_at = %(approved_at)s and (repository, branch, folder) = (%(repository)s, %(branch)s, %(folder)s)
for update;

-- name: listen_sources
-- The channel on which whoever pulls a branch hears that somebody decided about it.
listen ordinaut_source;

-- name: wake_sources
-- After the decision was committed.
notify ordinaut_source;
