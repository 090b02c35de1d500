-- Runs that steps of other runs start, and wait for.

alter table ordinaut.wait drop constraint wait_kind;
alter table ordinaut.wait add constraint wait_kind check (kind in ('sleep', 'approval', 'event', 'callback', 'run'));
create index wait_for_runs on ordinaut.wait (run_id) where kind = 'run' and answered_at is null;
