-- What tools answered, for steps that may reuse it; those that do not write nothing here.

create table ordinaut.answer (
    key bytea primary key,
    output jsonb not null,
    size integer not null,
    made_at timestamptz not null,
    kept_until timestamptz not null
);
create index answer_by_end on ordinaut.answer (kept_until);
comment on column ordinaut.answer.key is 'a keyed hash of the project, the tool and the arguments, or of the key that the step makes: nothing can be read of it';

alter table ordinaut.step_result add column reused_at timestamptz;
comment on column ordinaut.step_result.reused_at is 'when what it reuses was answered; no call was made';
