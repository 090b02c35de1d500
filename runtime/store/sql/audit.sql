-- The audit log: who did what, from where and why.

-- name: write_audit
-- The database gives the entry its number, its time and its hash.
-- Locks: the head of the chain, until the transaction ends; so this comes last in it.
insert into ordinaut.audit (actor, origin, token, address, action, subject, reason, details)
values (%(actor)s, %(origin)s, %(token)s, %(address)s, %(action)s, %(subject)s, %(reason)s, %(details)s);

-- name: list_audit
-- The newest entries before one, newest first.
select entry, at, actor, origin, token, address, action, subject, reason, details, encode(hash, 'hex') as hash
from ordinaut.audit
where entry < %(before)s
    and (%(actor)s::text is null or actor = %(actor)s or split_part(actor, '@', 1) = %(actor)s)
    and (%(action)s::text is null or action like %(action)s)
    and (%(subject)s::text is null or subject = %(subject)s or details ->> 'task' = %(subject)s)
    and (%(since)s::timestamptz is null or at >= %(since)s)
order by entry desc
limit %(limit)s;

-- name: read_as_of_now
-- What this transaction reads is one state, however long it takes.
set transaction isolation level repeatable read;

-- name: read_audit
-- Every entry from one on, in order, with each column as the text that is hashed.
select entry, array[
        entry::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, origin, token, address, action,
        subject, reason, details::text] as columns, hash
from ordinaut.audit
where entry >= %(since)s
order by entry;

-- name: read_audit_head
select entry, hash from ordinaut.audit_head;
