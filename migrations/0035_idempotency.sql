-- What requests with an idempotency key were answered, so that whoever asks again gets the same answer and no second effect.

create table ordinaut.api_request (
    token_id bigint not null references ordinaut.api_token,
    key text not null check (length(key) between 1 and 255),
    fingerprint bytea not null,
    status smallint not null,
    answer text not null,
    answered_at timestamptz not null default ordinaut.now(),
    primary key (token_id, key)
);
create index api_request_by_age on ordinaut.api_request (answered_at);
comment on column ordinaut.api_request.fingerprint is 'sha256 of the operation and its arguments: the same key with another is a mistake';
