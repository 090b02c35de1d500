-- No answer is reused any more.
alter table ordinaut.step_result drop column reused_at;
drop table ordinaut.answer;
