-- What calls used up: a row for each try that told of it, also one that failed and was followed by another. There is none
-- for all the others, so they pay nothing.

create table ordinaut.call_usage (
    run_id uuid not null,
    step text not null,
    iteration integer not null,
    attempt smallint not null,
    task_uid bigint not null,
    agent text,
    tool text not null,
    model text not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cache_read_tokens bigint not null,
    cache_written_tokens bigint not null,
    reasoning_tokens bigint not null,
    cost numeric(24, 12),
    currency text,
    cost_source text,
    used_at timestamptz not null,
    primary key (run_id, step, iteration, attempt),
    constraint call_usage_cost_is_whole check ((cost is null) = (currency is null) and (cost is null) = (cost_source is null))
) partition by range (run_id);
create table ordinaut.call_usage_default partition of ordinaut.call_usage default;
create index call_usage_by_time on ordinaut.call_usage (used_at);
comment on column ordinaut.call_usage.agent is 'on whose behalf it was called, as that was called then';
comment on column ordinaut.call_usage.model is 'as its provider calls it; empty where nobody told';
comment on column ordinaut.call_usage.cost_source is 'provider: whoever asks the money said so; local: worked out from a table of prices';
comment on column ordinaut.step_result.usage is 'never written: what a call used up is a row of call_usage';
