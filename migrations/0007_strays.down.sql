drop view ordinaut.applied_spec;
drop trigger schedule_deleted_by_hand on ordinaut.schedule;
drop trigger schedule_moved_by_hand on ordinaut.schedule;
drop function ordinaut.note_schedule_writer();
alter table ordinaut.schedule drop column seal;
drop function ordinaut.seal(timestamptz, timestamptz, timestamptz);
