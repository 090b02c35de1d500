-- Runs that wait for another wait for ever, and fail at their timeout.
drop index ordinaut.wait_for_runs;
delete from ordinaut.wait where kind = 'run';
alter table ordinaut.wait drop constraint wait_kind;
alter table ordinaut.wait add constraint wait_kind check (kind in ('sleep', 'approval', 'event', 'callback'));
