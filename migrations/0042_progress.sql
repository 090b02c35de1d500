-- How far runs say they are: what a step of `ordinaut.progress` counts, of its own run or of one that lasts longer than that.

alter table ordinaut.run add column progress jsonb;
comment on column ordinaut.run.progress is 'by name: how many are done, of how many, and how many failed; null where nobody counts';
