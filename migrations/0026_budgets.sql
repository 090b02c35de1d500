-- What agents may spend: calls under way that a budget waits for, and runs that are counted. Agents without a budget have no
-- row of either.

create table ordinaut.budget_hold (
    run_id uuid not null,
    step text not null,
    iteration integer not null,
    lease_epoch integer not null,
    agent text not null,
    tool text not null,
    primary key (run_id, step, iteration)
);
create index budget_hold_by_agent on ordinaut.budget_hold (agent);
comment on table ordinaut.budget_hold is 'calls that may use up something, and whose results are not on record; as good as none once their run has another lease, or none';

create table ordinaut.budget_run (
    run_id uuid primary key,
    agent text not null,
    began_at timestamptz not null
);
create index budget_run_by_agent on ordinaut.budget_run (agent, began_at);
comment on table ordinaut.budget_run is 'runs that began, of agents that may begin so many a day';

create index call_usage_by_agent on ordinaut.call_usage (agent, used_at) where agent is not null;
