-- Runs that wait for an event wait for ever, and fail at their timeout; what came is forgotten.
alter table ordinaut.installation drop column callback_key;
drop index ordinaut.wait_for_events;
delete from ordinaut.wait where kind in ('event', 'callback');
alter table ordinaut.wait drop constraint wait_kind;
alter table ordinaut.wait add constraint wait_kind check (kind in ('sleep', 'approval'));
drop table ordinaut.event;
