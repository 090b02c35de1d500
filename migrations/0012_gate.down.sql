-- What waits for a slot may begin: an older program knows of none.
drop table ordinaut.concurrency_slot;
create table ordinaut.concurrency_slot (
    key_digest bigint not null,
    slot smallint not null,
    run_id uuid not null,
    lease_epoch integer not null,
    lease_until timestamptz not null,
    primary key (key_digest, slot)
) with (fillfactor = 50);
drop index ordinaut.due_work_gate;
update ordinaut.due_work set lane = lane - 100 where lane > 100;
update ordinaut.backlog set lane = lane - 100 where lane > 100;
comment on column ordinaut.due_work.lane is null;
alter table ordinaut.due_work drop column slot_key;
