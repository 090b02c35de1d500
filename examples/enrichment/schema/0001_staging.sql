-- What clients sent, as it came. Nothing here is cleaned, and nothing is ever changed.

create table upload (
    upload_id bigint generated always as identity primary key,
    client text not null,
    file text not null,
    digest text not null,
    rows integer not null,
    problem text,
    staged_at timestamptz not null default now(),
    unique (client, digest)
);
comment on column upload.digest is 'sha256 of the file: the same file is staged once, whatever it is called';

comment on column upload.problem is 'why it could not be read; null of one that could, and only such are launched';

create table raw_row (
    upload_id bigint not null references upload,
    line integer not null,
    data jsonb not null,
    primary key (upload_id, line)
);
comment on column raw_row.data is 'the columns of the file under their own names, as text';
