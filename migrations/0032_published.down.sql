-- What Redis loses is no longer noticed.
drop table ordinaut.published;
drop sequence ordinaut.batch_number;
comment on column ordinaut.outbox.outbox_id is null;
