-- What each runtime does: one that only schedules takes no work.

alter table ordinaut.runtime add column duties text[] not null default '{scheduler,worker,relay}';
comment on column ordinaut.runtime.duties is 'which of scheduler, worker and relay it is; an older program is all of them';
