-- What was held may be applied again.
update ordinaut.source_status set held_commit = null, condition = 'OutOfSync' where held_by is not null;
alter table ordinaut.source_status
    drop constraint source_status_hold_is_whole, drop column held_by, drop column held_digest;
comment on column ordinaut.source_status.held_commit is null;
