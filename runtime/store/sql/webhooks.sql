-- Webhooks, as Projects in force declare them.

-- name: find_webhook
select p.body #> array['webhooks', %(name)s] as hook, p.body -> 'secrets' as secrets
from ordinaut.spec p
where p.kind = 'Project' and p.name = %(project)s and p.retired_at is null and p.body -> 'webhooks' ? %(name)s;
