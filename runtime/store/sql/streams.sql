-- Streams that Projects declare, and what was read of them.

-- name: list_streams
select p.name as project, s.key as name, s.value as body
from ordinaut.spec p
cross join lateral jsonb_each(p.body -> 'streams') s
where p.kind = 'Project' and p.retired_at is null and jsonb_typeof(p.body -> 'streams') = 'object'
order by p.name, s.key;

-- name: set_aside
-- An entry that no event can be made of; told once, however often it is read.
with aside as (
    insert into ordinaut.poison (source, entry_id, fields, error)
    values (%(source)s, %(entry_id)s, %(fields)s, %(error)s)
    on conflict (source, entry_id) do nothing
    returning source, entry_id, error
)
insert into ordinaut.event_log (type, subject, data)
select 'event.set_aside', source, jsonb_build_object('source', source, 'entry', entry_id, 'error', error) from aside;

-- name: forget_poison
-- What was set aside longer ago than events are kept.
delete from ordinaut.poison where (source, entry_id) in (
    select source, entry_id from ordinaut.poison where found_at < ordinaut.now() - %(keep)s limit %(limit)s);
