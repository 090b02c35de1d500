-- Who ended a run before it was over; why stands in `reason` and `detail`.

alter table ordinaut.run add column ended_by text;
comment on column ordinaut.run.ended_by is 'who cancelled the run; null where a policy did, and where it ended by itself';
