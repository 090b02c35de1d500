-- How often agents call tools: token buckets that all runtimes share, and the turns of calls that wait for one.

create table ordinaut.rate_bucket (
    bucket text primary key,
    spent_until timestamptz not null
) with (fillfactor = 50);
comment on column ordinaut.rate_bucket.spent_until is 'when the bucket is full again, if nobody takes more; far in the future where many have their turn';

create table ordinaut.rate_turn (
    run_id uuid not null,
    step text not null,
    iteration integer not null,
    attempt smallint not null,
    ready_at timestamptz not null,
    primary key (run_id, step, iteration, attempt)
);
comment on table ordinaut.rate_turn is 'calls whose tokens are taken and that may be made from ready_at on: nobody overtakes them, whoever goes on with their run';
