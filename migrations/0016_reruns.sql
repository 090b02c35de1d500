-- Runs that somebody has run again: what they go back to, and how often it was asked for.

alter table ordinaut.run
    add column rerun_of uuid,
    add column origin_id uuid,
    add column replay_no integer;
comment on column ordinaut.run.rerun_of is 'the run that this one runs again';
comment on column ordinaut.run.origin_id is 'the first of these runs: idempotency keys are derived from its id';
comment on column ordinaut.run.replay_no is 'how often that was asked for to be done anew; part of idempotency keys where it is not 0';

alter table ordinaut.run
    drop constraint run_trigger,
    add constraint run_trigger
        check (trigger in ('schedule', 'manual', 'event', 'condition', 'backfill', 'run', 'rerun')),
    add constraint run_rerun_is_whole
        check ((rerun_of is null) = (origin_id is null) and (rerun_of is null) = (replay_no is null));
