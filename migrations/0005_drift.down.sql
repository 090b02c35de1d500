drop trigger spec_written_past_apply on ordinaut.spec;
drop function ordinaut.note_writer();
drop table ordinaut.drift;
