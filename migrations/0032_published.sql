-- What was published lately, so that what Redis loses is noticed and published again.

create sequence ordinaut.batch_number;
create table ordinaut.published (
    bus uuid not null,
    first_batch bigint not null,
    last_batch bigint not null,
    published_at timestamptz not null,
    events bigint not null,
    occurred_from timestamptz not null,
    sequences int8multirange not null,
    primary key (bus, first_batch)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
comment on table ordinaut.published is 'what was published in the last hour, a row a second';
comment on column ordinaut.published.bus is 'the Redis that has it, by the id that it was given beside its stream';
comment on column ordinaut.published.last_batch is 'Redis has the number of the newest batch as well: a lower one there says that it lost something';
comment on column ordinaut.published.occurred_from is 'when the oldest of the events happened';
comment on column ordinaut.outbox.outbox_id is 'below zero for what is published again: it goes first';
