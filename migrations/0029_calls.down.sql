-- What calls were is no longer told.
alter table ordinaut.step_result drop column sent, drop column size;
