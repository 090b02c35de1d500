-- A snoozed task fires nothing for a while, and what falls into that is left out. Its span stands beside the schedule, where
-- whoever decides occurrences reads it.

alter table ordinaut.schedule
    add column snoozed_since timestamptz,
    add column snoozed_until timestamptz,
    add constraint schedule_snooze_is_whole check ((snoozed_since is null) = (snoozed_until is null));
comment on column ordinaut.schedule.snoozed_until is 'what is due from snoozed_since until then is skipped; it stays when that is over';
