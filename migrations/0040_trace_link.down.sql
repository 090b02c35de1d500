-- Runs are linked to no trace elsewhere any more.
alter table ordinaut.event drop column trace_link;
alter table ordinaut.run drop column trace_link;
