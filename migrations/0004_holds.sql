-- What a rollback keeps from being applied again, until somebody commits on top of it.

alter table ordinaut.source_status
    add column held_digest text,
    add column held_by bigint references ordinaut.revision,
    add constraint source_status_hold_is_whole check (
        (held_digest is null) = (held_by is null) and (held_commit is null or held_by is not null));
comment on column ordinaut.source_status.held_commit is 'the commit that was rolled back; null where it came from outside git';
comment on column ordinaut.source_status.held_digest is 'of all documents that were in force before the rollback';
comment on column ordinaut.source_status.held_by is 'the rollback; null where nothing is held';
