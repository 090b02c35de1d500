-- The whole model: what was applied from git, when things fire, what is due, what ran, and what must still be told.
--
-- Theory of operation
--   spec            one live row per document; `spec_revision` is what each apply wrote, append-only.
--   schedule        one row per task that time drives; firing is a compare-and-set on (task_uid, generation, next_for).
--   run             one row per decided occurrence, a skipped one included. run_id is derived from task, trigger and
--                   occurrence and begins with the occurrence's time, so the same firing has the same id on any machine,
--                   the primary key makes it unique, and ranges of it are ranges of time.
--   due_work        the hot table: one narrow row per run that is queued, leased or asleep. No index holds a lease
--                   column, so claiming and renewing are HOT updates.
--   step_result     the one result of a step; written together with the events it causes, by the lease holder alone.
--   outbox          events not yet published; deleting a row claims it.
-- Every statement reads time from ordinaut.now(): the server decides what is due, and tests replace that one function.

create schema ordinaut;

create function ordinaut.now() returns timestamptz
    language sql stable parallel safe
    return statement_timestamp();

-- The smallest run_id of an instant: 48 bits of Unix milliseconds, then zeros (the layout of RFC 9562, UUIDv7).
create function ordinaut.run_id_floor(instant timestamptz) returns uuid
    language sql immutable strict parallel safe
    return rpad(lpad(to_hex(floor(extract(epoch from instant) * 1000)::bigint), 12, '0'), 32, '0')::uuid;

create table ordinaut.installation (
    only_one boolean primary key default true,
    installation_id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default ordinaut.now(),
    constraint installation_is_one_row check (only_one)
);
insert into ordinaut.installation default values;

-- what was applied

create table ordinaut.revision (
    revision_id bigint generated always as identity primary key,
    parent_id bigint references ordinaut.revision,
    project text not null,
    environment text not null,
    kind text not null,
    git_commit text,
    git_tree text,
    git_branch text,
    git_dirty boolean not null default false,
    pull_request text,
    author text,
    actor text not null,
    plan_digest text not null,
    normaliser_version smallint not null,
    summary jsonb not null,
    applied_at timestamptz not null default ordinaut.now(),
    constraint revision_kind check (kind in ('apply', 'rollback', 'heal', 'override', 'adopt'))
);
create index revision_by_project on ordinaut.revision (project, environment, revision_id desc);

create table ordinaut.spec (
    uid bigint generated always as identity primary key,
    project text not null,
    environment text not null,
    kind text not null,
    namespace text not null,
    name text not null,
    revision_id bigint not null references ordinaut.revision,
    body jsonb not null,
    digest text not null,
    protected boolean not null default false,
    retired_at timestamptz,
    constraint spec_identity unique (kind, namespace, name)
);
create index spec_by_project on ordinaut.spec (project, environment);

create table ordinaut.spec_revision (
    uid bigint not null references ordinaut.spec,
    revision_id bigint not null references ordinaut.revision,
    action text not null,
    body jsonb not null,
    digest text not null,
    facets jsonb not null,
    file text not null,
    line integer not null,
    primary key (uid, revision_id),
    constraint spec_revision_action check (action in ('create', 'update', 'rename', 'retire', 'adopt'))
);
create index spec_revision_by_revision on ordinaut.spec_revision (revision_id);

create table ordinaut.source_status (
    project text not null,
    environment text not null,
    condition text not null,
    message text not null default '',
    seen_commit text,
    applied_commit text,
    held_commit text,
    changed_at timestamptz not null default ordinaut.now(),
    primary key (project, environment)
);

-- when things fire

create table ordinaut.schedule (
    task_uid bigint primary key references ordinaut.spec,
    generation integer not null default 1,
    cursor_for timestamptz not null,
    next_for timestamptz,
    next_due_at timestamptz,
    paused_at timestamptz,
    tzdata text not null,
    constraint schedule_next_is_whole check ((next_for is null) = (next_due_at is null))
) with (fillfactor = 70);
create index schedule_by_due on ordinaut.schedule (next_due_at)
    where next_due_at is not null and paused_at is null;
comment on column ordinaut.schedule.cursor_for is 'every occurrence up to and including this instant is decided';
comment on column ordinaut.schedule.generation is 'raised when the schedule facet changes; a firing that saw an older one is refused';

create table ordinaut.task_override (
    override_id bigint generated always as identity primary key,
    task_uid bigint not null references ordinaut.spec,
    kind text not null,
    reason text not null,
    actor text not null,
    created_at timestamptz not null default ordinaut.now(),
    until timestamptz,
    ended_at timestamptz,
    constraint task_override_kind check (kind in ('pause', 'snooze'))
);
create unique index task_override_is_single on ordinaut.task_override (task_uid, kind) where ended_at is null;

-- what ran, and what is due

create table ordinaut.runtime (
    runtime_id integer generated always as identity primary key,
    host text not null,
    pid integer not null,
    version text not null,
    started_at timestamptz not null default ordinaut.now(),
    heartbeat_at timestamptz not null default ordinaut.now(),
    draining boolean not null default false,
    stopped_at timestamptz
);

create table ordinaut.run (
    run_id uuid not null,
    task_uid bigint not null,
    revision_id bigint not null,
    trigger text not null,
    trigger_key text not null default '',
    occurrence_for timestamptz not null,
    due_at timestamptz not null,
    state text not null,
    reason text,
    params jsonb,
    event jsonb,
    requested_by text,
    created_at timestamptz not null default ordinaut.now(),
    started_at timestamptz,
    finished_at timestamptz,
    error jsonb,
    primary key (run_id),
    constraint run_trigger check (trigger in ('schedule', 'manual', 'event', 'backfill', 'run')),
    constraint run_state check (state in ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled', 'skipped')),
    constraint run_skip_has_a_reason check (state <> 'skipped' or reason is not null)
) partition by range (run_id);
create table ordinaut.run_default partition of ordinaut.run default;
create index run_by_task on ordinaut.run (task_uid, run_id desc);
create index run_active on ordinaut.run (task_uid) where state in ('queued', 'running', 'waiting');

create table ordinaut.due_work (
    run_id uuid primary key,
    task_uid bigint not null,
    revision_id bigint not null,
    ready_at timestamptz not null,
    lease_until timestamptz not null default '-infinity',
    lease_epoch integer not null default 0,
    runtime_id integer,
    lane smallint not null,
    attempt smallint not null default 0
) with (
    -- Room on each page for the new version of a row: claim and renewal then touch no index.
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 1000
);
create index due_work_ready on ordinaut.due_work (lane, ready_at, run_id);
comment on column ordinaut.due_work.lease_epoch is 'the fencing token: only grows, and every write of a lease holder carries it';
comment on column ordinaut.due_work.attempt is 'counted when a lease is taken, so that work which kills its process is counted too';

create table ordinaut.concurrency_slot (
    key_digest bigint not null,
    slot smallint not null,
    run_id uuid not null,
    lease_epoch integer not null,
    lease_until timestamptz not null,
    primary key (key_digest, slot)
) with (fillfactor = 50);

create table ordinaut.step_result (
    run_id uuid not null,
    step text not null,
    iteration integer not null default 0,
    lease_epoch integer not null,
    attempt smallint not null,
    outcome text not null,
    uses text not null,
    input jsonb,
    output jsonb,
    error jsonb,
    idempotency_key text,
    server_generation integer not null default 0,
    schema_digest text not null default '',
    usage jsonb,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    primary key (run_id, step, iteration)
) partition by range (run_id);
create table ordinaut.step_result_default partition of ordinaut.step_result default;

-- Tries that failed and were tried again; a log for people, never read to decide anything but the number of the next try.
create table ordinaut.step_attempt (
    run_id uuid not null,
    step text not null,
    iteration integer not null default 0,
    attempt smallint not null,
    lease_epoch integer not null,
    outcome text not null,
    error jsonb,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    retry_at timestamptz,
    primary key (run_id, step, iteration, attempt)
) partition by range (run_id);
create table ordinaut.step_attempt_default partition of ordinaut.step_attempt default;

-- Committed before a call that must not be repeated: an intent without a result is an unknown outcome.
create table ordinaut.step_intent (
    run_id uuid not null,
    step text not null,
    iteration integer not null default 0,
    attempt smallint not null,
    lease_epoch integer not null,
    idempotency_key text not null,
    intended_at timestamptz not null default ordinaut.now(),
    primary key (run_id, step, iteration, attempt)
) partition by range (run_id);
create table ordinaut.step_intent_default partition of ordinaut.step_intent default;

-- events

create table ordinaut.outbox (
    outbox_id bigint generated always as identity primary key,
    event_id uuid not null default gen_random_uuid(),
    type text not null,
    subject text not null,
    run_id uuid,
    data jsonb not null,
    occurred_at timestamptz not null default ordinaut.now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table ordinaut.event_log (
    event_id uuid not null,
    sequence bigint not null,
    type text not null,
    subject text not null,
    run_id uuid,
    data jsonb not null,
    occurred_at timestamptz not null,
    published_at timestamptz not null default ordinaut.now(),
    primary key (published_at, event_id)
) partition by range (published_at);
create table ordinaut.event_log_default partition of ordinaut.event_log default;
create index event_log_by_run on ordinaut.event_log (run_id) where run_id is not null;

-- Makes the partitions of every month from the one before `instant` to two after it. A month whose rows are already in
-- the default partition stays there.
create function ordinaut.ensure_partitions(instant timestamptz) returns void
    language plpgsql
as $$
declare
    month_start timestamptz;
    month_end timestamptz;
    parent text;
begin
    for month_start in
        select date_trunc('month', instant, 'UTC') + make_interval(months => n) from generate_series(-1, 2) n
    loop
        month_end := date_trunc('month', month_start + interval '40 days', 'UTC');
        foreach parent in array array['run', 'step_result', 'step_attempt', 'step_intent', 'event_log'] loop
            begin
                execute format(
                    'create table if not exists ordinaut.%I partition of ordinaut.%I for values from (%L) to (%L)',
                    parent || to_char(month_start at time zone 'UTC', '_YYYYMM'), parent,
                    case parent when 'event_log' then month_start::text
                                else ordinaut.run_id_floor(month_start)::text end,
                    case parent when 'event_log' then month_end::text
                                else ordinaut.run_id_floor(month_end)::text end);
            exception when check_violation then
                null;
            end;
        end loop;
    end loop;
end
$$;
