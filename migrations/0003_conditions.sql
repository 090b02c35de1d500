-- Tasks that fire by what a tool answers: one row per condition, with what it remembers of the answers so far.

create table ordinaut.condition (
    task_uid bigint not null references ordinaut.spec,
    digest text not null,
    position smallint not null,
    every interval not null,
    next_poll_at timestamptz not null,
    lease_epoch integer not null default 0,
    runtime_id integer,
    phase text not null default 'armed',
    met_since timestamptz,
    answer jsonb,
    polled_at timestamptz,
    changed_at timestamptz,
    error jsonb,
    failing_since timestamptz,
    primary key (task_uid, digest),
    constraint condition_phase check (phase in ('armed', 'spent', 'released')),
    constraint condition_failing_is_whole check ((error is null) = (failing_since is null))
) with (fillfactor = 50);
create index condition_by_next on ordinaut.condition (next_poll_at);
comment on column ordinaut.condition.digest is 'of what is asked and how the answer is read; another condition begins anew';
comment on column ordinaut.condition.position is 'where it stands among the schedules of its task';
comment on column ordinaut.condition.next_poll_at is 'when somebody may ask again; while a runtime asks, the end of its lease';
comment on column ordinaut.condition.lease_epoch is 'the fencing token: only grows, and what a poll writes carries it';
comment on column ordinaut.condition.phase is 'armed: may fire; spent: has fired and waits to be rearmed; released: was rearmed before the stretch ended';
comment on column ordinaut.condition.met_since is 'the first of the latest answers that all meet the condition; null where the last one does not';
comment on column ordinaut.condition.answer is 'the last answer, without secrets; null where it is too large to be kept';
comment on column ordinaut.condition.changed_at is 'when an answer last began or ceased to meet the condition';

-- Whether somebody paused a task: on record, or by hand on its schedule.
create function ordinaut.is_paused(of_task bigint) returns boolean
    language sql stable parallel safe
    return exists (select from ordinaut.task_override o where o.task_uid = of_task and o.ended_at is null)
        or exists (select from ordinaut.schedule s where s.task_uid = of_task and s.paused_at is not null);

alter table ordinaut.run
    drop constraint run_trigger,
    add constraint run_trigger
        check (trigger in ('schedule', 'manual', 'event', 'condition', 'backfill', 'run'));
