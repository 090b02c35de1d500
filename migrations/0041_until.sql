-- Events that came before a schedule was replaced or retired, and are delivered afterwards, are its business still.

alter table ordinaut.listener add column until timestamptz;
comment on column ordinaut.listener.until is 'later events are none of its business; null while it listens';
update ordinaut.listener set until = ordinaut.now() where position < 0;
