-- Tokens of the web side: who they are, never what they are.

-- name: add_token
-- Nothing comes back where a token of this name is not revoked yet. Locks: the new row.
insert into ordinaut.api_token (digest, name, scopes, created_by, expires_at)
values (%(digest)s, %(name)s, %(scopes)s, %(actor)s, ordinaut.now() + %(lifetime)s)
on conflict (name) where revoked_at is null do nothing
returning name, scopes, created_by, created_at, expires_at, last_used_at, revoked_by, revoked_at;

-- name: find_token
-- Who has it, if it is in force. Found by its digest: how long that takes says nothing of a token that is not known.
select token_id, name, scopes, last_used_at is null or last_used_at < ordinaut.now() - interval '1 hour' as is_stale
from ordinaut.api_token
where digest = %(digest)s and revoked_at is null and expires_at > ordinaut.now();

-- name: note_token_use
-- Once an hour at most, whoever comes first. Locks: its row.
update ordinaut.api_token set last_used_at = ordinaut.now()
where token_id = %(token_id)s and (last_used_at is null or last_used_at < ordinaut.now() - interval '1 hour');

-- name: list_tokens
-- Those in force first, then the newest; revoked and expired ones stay, so that what they did can be told.
select name, scopes, created_by, created_at, expires_at, last_used_at, revoked_by, revoked_at
from ordinaut.api_token
order by revoked_at is not null, created_at desc, token_id desc;

-- name: revoke_token
-- It is refused from the next request on. Locks: its row.
update ordinaut.api_token set revoked_by = %(actor)s, revoked_at = ordinaut.now()
where name = %(name)s and revoked_at is null
returning name, scopes, created_by, created_at, expires_at, last_used_at, revoked_by, revoked_at;
