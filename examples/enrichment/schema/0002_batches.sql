-- A batch takes the rows of an upload through the workflows of a blueprint, in their order, each row at its own pace. What is
-- to be done next is in row_state and nowhere else.

create table batch (
    batch_id bigint generated always as identity primary key,
    client text not null,
    upload_id bigint not null references upload,
    workflows jsonb not null,
    run text not null unique,
    launched_at timestamptz not null default now(),
    paused_at timestamptz,
    finishes integer not null default 0,
    finished_at timestamptz
);
comment on column batch.workflows is 'as the blueprint was when it was launched: a later change of that is for later batches';
comment on column batch.run is 'which run launched it, by which its blueprint is known; said again, that launches nothing more';
comment on column batch.finishes is 'how often it was finished: dead rows may be redriven';

create table row_state (
    batch_id bigint not null references batch,
    line integer not null,
    position smallint not null,
    workflow text not null,
    state text not null check (state in ('waiting', 'ready', 'claimed', 'in_progress', 'done', 'dead')),
    attempts smallint not null default 0,
    due_at timestamptz not null default now(),
    chunk text,
    error text,
    primary key (batch_id, line, position)
) with (fillfactor = 60);
comment on column row_state.due_at is 'ready: not before; claimed and in_progress: given up then, and asked for again';
create index row_state_to_do on row_state (workflow, due_at, batch_id, line) where state = 'ready';
create index row_state_under_way on row_state (due_at) where state in ('claimed', 'in_progress');
create index row_state_by_chunk on row_state (chunk);

create table chunk (
    chunk text primary key,
    batch_id bigint not null references batch,
    workflow text not null,
    run text not null,
    lines integer[] not null,
    claimed_at timestamptz not null default now()
);
comment on column chunk.lines is 'the rows that it was made of: answers to others are none';
create index chunk_by_run on chunk (run);
comment on table chunk is 'rows that are worked on in one call; what a provider is asked for, and answers, under this name';

create table raw_answer (
    batch_id bigint not null references batch,
    line integer not null,
    workflow text not null,
    input jsonb not null,
    output jsonb not null,
    chunk text not null references chunk,
    cost numeric not null,
    answered_at timestamptz not null default now(),
    primary key (batch_id, line, workflow)
);
comment on table raw_answer is 'what workers and providers said, as they said it; the first answer counts';

-- All that is known of a row, for the paths of blueprints and mappings: `raw`, and each workflow's answer under its name.
create function document_of(asked_batch bigint, asked_line integer) returns jsonb stable language sql as $$
    select jsonb_build_object('raw', r.data) || coalesce(
        (select jsonb_object_agg(a.workflow, a.output)
         from raw_answer a where a.batch_id = asked_batch and a.line = asked_line), '{}')
    from batch b
    join raw_row r on r.upload_id = b.upload_id
    where b.batch_id = asked_batch and r.line = asked_line
$$;

-- What a workflow takes of a row, by what its blueprint says; null where a path finds nothing.
create function inputs_of(asked_batch bigint, asked_line integer, asked_position integer) returns jsonb stable language sql as $$
    select coalesce(jsonb_object_agg(t.name, jsonb_path_query_first(d.document, t.path::jsonpath, silent => true)), '{}')
    from batch b
    cross join lateral jsonb_each_text(b.workflows -> (asked_position - 1) -> 'takes') as t(name, path)
    cross join document_of(asked_batch, asked_line) as d(document)
    where b.batch_id = asked_batch
$$;
