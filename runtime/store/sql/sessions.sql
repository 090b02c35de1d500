-- Who is signed in to the dashboard.

-- name: add_sign_in_link
-- A way in for whoever has the address, once and soon.
insert into ordinaut.sign_in_link (digest, name, scopes, expires_at)
values (%(digest)s, %(name)s, %(scopes)s, ordinaut.now() + %(lifetime)s);

-- name: use_sign_in_link
-- Whose link this is; it is gone with that.
-- Locks: its row.
delete from ordinaut.sign_in_link where digest = %(digest)s and expires_at > ordinaut.now()
returning name, scopes;

-- name: add_session
-- A session for a token, or for a name and scopes; it ends with its token. What is over goes at the same time.
with over as (
    delete from ordinaut.web_session where expires_at < ordinaut.now()
), old as (
    delete from ordinaut.sign_in_link where expires_at < ordinaut.now()
)
insert into ordinaut.web_session (digest, token_id, name, scopes, expires_at)
values (%(digest)s, %(token_id)s, %(name)s, %(scopes)s, ordinaut.now() + %(lifetime)s);

-- name: find_session
-- Who is signed in with this; nobody if it is over, or its token is.
select s.name, s.scopes, s.token_id, s.expires_at, ordinaut.now() as now
from ordinaut.web_session s
left join ordinaut.api_token t on t.token_id = s.token_id
where s.digest = %(digest)s and s.expires_at > ordinaut.now()
    and (s.token_id is null or t.revoked_at is null and t.expires_at > ordinaut.now());

-- name: end_session
-- Nothing comes back where it was none. Locks: its row.
delete from ordinaut.web_session where digest = %(digest)s returning name;
