-- What rollbacks keep from being applied again.

-- name: list_holds
-- Of one project and environment, or of all.
select s.project, s.environment, s.held_commit as commit, s.held_digest as digest, v.revision_id as revision, v.actor,
    v.applied_at as since, v.summary ->> 'reason' as reason
from ordinaut.source_status s
join ordinaut.revision v on v.revision_id = s.held_by
where (%(project)s::text is null or s.project = %(project)s)
    and (%(environment)s::text is null or s.environment = %(environment)s)
order by s.project, s.environment;

-- name: set_hold
insert into ordinaut.source_status (project, environment, condition, reason, held_commit, held_digest, held_by)
values (%(project)s, %(environment)s, 'Held', 'rolled_back', %(commit)s, %(digest)s, %(revision)s)
on conflict (project, environment, claim) do update
set condition = excluded.condition, reason = excluded.reason, message = '', held_commit = excluded.held_commit,
    held_digest = excluded.held_digest, held_by = excluded.held_by, changed_at = ordinaut.now();

-- name: clear_hold
update ordinaut.source_status
set condition = %(condition)s, reason = case %(condition)s when 'Synced' then 'current' else 'cleared' end, message = '',
    held_commit = null, held_digest = null, held_by = null, changed_at = ordinaut.now()
where project = %(project)s and environment = %(environment)s and held_by is not null;
