-- Who did what to it, from where and why: append-only, each entry chained to the one before.
--
-- Theory of operation
--   audit           one row per operational action and per change, written in the transaction of its effect.
--   audit_head      one row: the number and hash of the newest entry. Whoever writes an entry holds its lock until the commit,
--                   so numbers are given in the order of commits, without a gap, and nobody forks the chain.
--   An entry's number and hash are given by the database, whatever the writer says. The hash is that of the one before and of
--   the entry's own columns, each as its length, a colon and its text; null is a hyphen. Whoever reads it can do the same.

create table ordinaut.audit (
    entry bigint primary key,
    at timestamptz not null,
    actor text not null,
    origin text not null,
    token text,
    address text,
    action text not null,
    subject text not null,
    reason text not null default '',
    details jsonb not null default '{}',
    hash bytea not null
);
comment on column ordinaut.audit.token is 'the name of the API token that was used, never the token';
comment on column ordinaut.audit.address is 'where the request came from, as far as it is known';
comment on column ordinaut.audit.hash is 'sha256 of the hash before and of this entry';

create table ordinaut.audit_head (
    only_one boolean primary key default true,
    entry bigint not null,
    hash bytea not null,
    constraint audit_head_is_one_row check (only_one)
);
insert into ordinaut.audit_head (entry, hash) values (0, sha256('ordinaut audit'));

create function ordinaut.audit_hash(previous bytea, e ordinaut.audit) returns bytea
    language sql stable
    return sha256(previous || convert_to((
        select string_agg(coalesce(length(v) || ':' || v, '-'), '' order by n)
        from unnest(array[
            (e).entry::text, to_char((e).at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), (e).actor, (e).origin, (e).token, (e).address,
            (e).action, (e).subject, (e).reason, (e).details::text]) with ordinality as t(v, n)), 'UTF8'));

-- With the rights of the owner: whoever may insert entries needs no right on the head, and has none.
create function ordinaut.chain_audit() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
declare
    head ordinaut.audit_head;
begin
    select * into head from ordinaut.audit_head for update;
    new.entry := head.entry + 1;
    new.at := ordinaut.now();
    new.hash := ordinaut.audit_hash(head.hash, new);
    update ordinaut.audit_head set entry = new.entry, hash = new.hash;
    return new;
end $$;

create function ordinaut.refuse_audit_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege',
        hint = 'what is in it stays: write what is right as a new entry';
end $$;

create trigger audit_is_chained before insert on ordinaut.audit for each row execute function ordinaut.chain_audit();
create trigger audit_is_append_only before update or delete or truncate on ordinaut.audit
    for each statement execute function ordinaut.refuse_audit_change();
-- The head moves with an entry, and by nothing else.
create trigger audit_head_follows before update on ordinaut.audit_head
    for each statement when (pg_trigger_depth() = 0) execute function ordinaut.refuse_audit_change();
create trigger audit_head_stays before insert or delete or truncate on ordinaut.audit_head
    for each statement execute function ordinaut.refuse_audit_change();
