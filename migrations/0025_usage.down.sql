-- What calls used up is forgotten.
drop table ordinaut.call_usage;
comment on column ordinaut.step_result.usage is null;
