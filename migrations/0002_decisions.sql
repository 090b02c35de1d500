-- What every decision about an occurrence stands on, and runs that wait for their turn.

alter table ordinaut.run
    add column decided_by integer,
    add column tzdata text,
    add column detail text;
comment on column ordinaut.run.decided_by is 'the runtime that decided the occurrence; null where a command or an apply did';
comment on column ordinaut.run.tzdata is 'the version of the time zone data by which the occurrence was found';
comment on column ordinaut.run.detail is 'what the reason is about: the calendar that excludes, where the occurrence was moved to';

alter table ordinaut.due_work add column start_until timestamptz not null default 'infinity';
comment on column ordinaut.due_work.start_until is 'a run that nobody has started by then is skipped';
alter table ordinaut.due_work add column followed boolean not null default false;
comment on column ordinaut.due_work.followed is 'another run of the task waits in the backlog; whoever ends this one lets it begin';

-- Runs that are decided and queued, and must not begin before another run of their task has ended. Normally empty.
create table ordinaut.backlog (
    run_id uuid primary key,
    task_uid bigint not null,
    revision_id bigint not null,
    -- Lower goes first: what time decided before what was asked for afterwards.
    rank smallint not null default 0,
    ready_at timestamptz not null,
    start_until timestamptz not null default 'infinity',
    lane smallint not null
);
create index backlog_by_task on ordinaut.backlog (task_uid, rank, run_id);

comment on column ordinaut.schedule.generation is 'raised when the schedule facet changes or somebody asks for a run; a firing that saw an older one is refused';
