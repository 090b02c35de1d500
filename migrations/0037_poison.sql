-- Entries of streams that no event could be made of: set aside, so that they hold up no others.

create table ordinaut.poison (
    source text not null,
    entry_id text not null,
    fields jsonb not null,
    error text not null,
    found_at timestamptz not null default ordinaut.now(),
    primary key (source, entry_id)
);
create index poison_by_time on ordinaut.poison (found_at);
comment on table ordinaut.poison is 'acknowledged in their stream, and kept here as long as events are';
comment on column ordinaut.poison.source is 'the project and the name of the stream in it';
comment on column ordinaut.poison.fields is 'what the entry held, as far as it can be kept';
