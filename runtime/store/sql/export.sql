-- What is in force.

-- name: list_live_documents
-- Every document in force, of everybody, the Project of each first.
select project, environment, kind, namespace, name, body
from ordinaut.spec
where retired_at is null
order by project, environment, kind <> 'Project', kind, namespace, name;
