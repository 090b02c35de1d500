-- Of each call: whether it may have reached its tool, and how large its result was.

alter table ordinaut.step_result add column sent boolean, add column size integer;
comment on column ordinaut.step_result.sent is 'whether the request may have reached the tool; null where no call was made, and of older programs';
comment on column ordinaut.step_result.size is 'bytes of the result as compact JSON';
