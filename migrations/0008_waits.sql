-- What runs wait for without a slot: a time, or a person.

create table ordinaut.wait (
    run_id uuid not null,
    step text not null,
    iteration integer not null default 0,
    kind text not null constraint wait_kind check (kind in ('sleep', 'approval')),
    asked jsonb not null,
    began_at timestamptz not null default ordinaut.now(),
    until timestamptz,
    answered_at timestamptz,
    answer jsonb,
    primary key (run_id, step, iteration),
    constraint wait_answer_is_whole check ((answered_at is null) = (answer is null))
);
comment on column ordinaut.wait.iteration is 'which item of `foreach` waits, from 0';
comment on column ordinaut.wait.asked is 'what a person is asked, and who may answer; empty for a span of time';
comment on column ordinaut.wait.until is 'when the wait is over by itself; null where it never is';
create index wait_for_people on ordinaut.wait (began_at) where kind = 'approval' and answered_at is null;

-- A default that is the same for every row is no rewrite.
alter table ordinaut.due_work add column woken boolean not null default false;
comment on column ordinaut.due_work.woken is 'something was answered since the run was claimed: it does not go to sleep before it has looked';
