-- Runs that need a slot of a concurrency key wait in lanes of their own, 100 above those that are claimed: nothing else
-- looks there, so runs that need none pay nothing.

alter table ordinaut.due_work add column slot_key text;
comment on column ordinaut.due_work.lane is 'its priority; 100 more while it waits for a slot of its concurrency key';
comment on column ordinaut.due_work.slot_key is 'the concurrency key of which it needs a slot; null until it is known, and where it needs none';
create index due_work_gate on ordinaut.due_work (slot_key, ready_at, run_id) where lane > 100;

-- A slot is held by a run until that run is over, whichever runtime executes it: it is free where the run has no row in
-- due_work any more, so whoever ends a run frees its slot without a word here.
drop table ordinaut.concurrency_slot;
create table ordinaut.concurrency_slot (
    slot_key text not null,
    slot smallint not null,
    run_id uuid not null unique,
    taken_at timestamptz not null default ordinaut.now(),
    primary key (slot_key, slot)
) with (fillfactor = 50);
