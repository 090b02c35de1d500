-- Who cancelled runs is lost.
alter table ordinaut.run drop column ended_by;
