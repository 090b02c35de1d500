-- Runs that a condition started stay; the nearest that is left to say is that an event did.
update ordinaut.run set trigger = 'event' where trigger = 'condition';
alter table ordinaut.run
    drop constraint run_trigger,
    add constraint run_trigger check (trigger in ('schedule', 'manual', 'event', 'backfill', 'run'));
drop function ordinaut.is_paused;
drop table ordinaut.condition;
