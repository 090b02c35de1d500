-- Who is signed in to the dashboard, and the links that begin that: of each secret only its digest is kept.

create table ordinaut.web_session (
    digest bytea primary key check (octet_length(digest) = 32),
    token_id bigint references ordinaut.api_token on delete cascade,
    name text not null,
    scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['read', 'operate', 'approve', 'emit', 'admin']),
    began_at timestamptz not null default ordinaut.now(),
    expires_at timestamptz not null
);
create index web_session_by_end on ordinaut.web_session (expires_at);
comment on column ordinaut.web_session.token_id is 'the token that was shown; none for a link. The session is over when its token is';

create table ordinaut.sign_in_link (
    digest bytea primary key check (octet_length(digest) = 32),
    name text not null,
    scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['read', 'operate', 'approve', 'emit', 'admin']),
    expires_at timestamptz not null
);
comment on table ordinaut.sign_in_link is 'a row is deleted when its link is used, so it works once';
