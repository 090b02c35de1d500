-- Runs that wait for their turn are queued at once: none is lost.
insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, lane)
select run_id, task_uid, revision_id, ready_at, lane from ordinaut.backlog;
drop table ordinaut.backlog;
alter table ordinaut.due_work drop column followed, drop column start_until;
alter table ordinaut.run drop column detail, drop column tzdata, drop column decided_by;
comment on column ordinaut.schedule.generation is 'raised when the schedule facet changes; a firing that saw an older one is refused';
