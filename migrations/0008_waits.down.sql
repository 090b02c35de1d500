-- Runs that wait begin their waits anew.
alter table ordinaut.due_work drop column woken;
drop table ordinaut.wait;
