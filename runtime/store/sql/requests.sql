-- Requests that must have their effect once, and what they were answered.

-- name: claim_request
-- Whether nobody else is at work on a request of this key. Locks: an advisory one until the end of the transaction.
select pg_try_advisory_xact_lock(hashtextextended(%(token_id)s::text || ':' || %(key)s, 1870)) as is_ours;

-- name: find_request
-- What was answered in the last 24 hours.
select fingerprint, status, answer from ordinaut.api_request
where token_id = %(token_id)s and key = %(key)s and answered_at > ordinaut.now() - interval '24 hours';

-- name: record_request
-- In the transaction of its effect, under the lock of `claim_request`: what is in the way has expired. A few of those that have
-- are forgotten. Locks: these rows, none that somebody else holds.
with forgotten as (
    delete from ordinaut.api_request
    where (token_id, key) in (
        select token_id, key from ordinaut.api_request
        where answered_at < ordinaut.now() - interval '24 hours' and (token_id, key) <> (%(token_id)s, %(key)s)
        limit 100 for update skip locked)
)
insert into ordinaut.api_request (token_id, key, fingerprint, status, answer)
values (%(token_id)s, %(key)s, %(fingerprint)s, %(status)s, %(answer)s)
on conflict (token_id, key) do update
set fingerprint = excluded.fingerprint, status = excluded.status, answer = excluded.answer, answered_at = ordinaut.now();
