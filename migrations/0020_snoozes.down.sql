-- Snoozes end.
update ordinaut.task_override set ended_at = ordinaut.now() where kind = 'snooze' and ended_at is null;
alter table ordinaut.schedule
    drop constraint schedule_snooze_is_whole,
    drop column snoozed_since,
    drop column snoozed_until;
