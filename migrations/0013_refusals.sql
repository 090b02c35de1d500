-- What refuses a plan that waits, and what refused it when somebody let it pass: an approval passes nothing that came since.

alter table ordinaut.source_status
    add column refusals text[] not null default '{}',
    add column approved_refusals text[] not null default '{}';
comment on column ordinaut.source_status.refusals is 'of the plan that waits: guards, `policy NAME`, `rewritten` and `renamed`';
comment on column ordinaut.source_status.approved_refusals is 'those that whoever approved the plan was shown';
