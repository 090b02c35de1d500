-- An older program knows of no reruns: they become runs that somebody asked for.
update ordinaut.run set trigger = 'manual' where trigger = 'rerun';
alter table ordinaut.run
    drop constraint run_rerun_is_whole,
    drop constraint run_trigger,
    add constraint run_trigger
        check (trigger in ('schedule', 'manual', 'event', 'condition', 'backfill', 'run')),
    drop column rerun_of,
    drop column origin_id,
    drop column replay_no;
