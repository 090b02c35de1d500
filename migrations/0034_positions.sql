-- Where somebody is who follows the event log and must go on there after a restart, such as what exports traces.

create table ordinaut.log_position (
    reader text primary key,
    top bigint not null,
    at timestamptz not null,
    missing bigint[] not null default '{}',
    holder uuid not null,
    held_until timestamptz not null
);
comment on column ordinaut.log_position.top is 'the highest number of an event that was dealt with, but for those in missing';
comment on column ordinaut.log_position.holder is 'one process at a time, until held_until unless it says that it still is there';
