-- Who may speak to the web side: of each token only its digest is kept.

create table ordinaut.api_token (
    token_id bigint generated always as identity primary key,
    digest bytea not null unique check (octet_length(digest) = 32),
    name text not null check (name ~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'),
    scopes text[] not null check (
        cardinality(scopes) > 0 and scopes <@ array['read', 'operate', 'approve', 'emit', 'admin']),
    created_by text not null,
    created_at timestamptz not null default ordinaut.now(),
    expires_at timestamptz not null,
    last_used_at timestamptz,
    revoked_by text,
    revoked_at timestamptz,
    check (expires_at > created_at),
    check ((revoked_by is null) = (revoked_at is null))
);
create unique index api_token_by_name on ordinaut.api_token (name) where revoked_at is null;
comment on column ordinaut.api_token.digest is 'sha256 of the token, which has 256 random bits: nothing can be read of it, and no salt is needed';
comment on column ordinaut.api_token.last_used_at is 'at most an hour older than its last use';
