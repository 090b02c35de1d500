-- What servers asked, and what people answered, is lost: calls that wait for it begin anew.
drop index ordinaut.step_attempt_asked;
alter table ordinaut.step_attempt drop constraint step_attempt_answer_is_whole;
alter table ordinaut.step_attempt drop column left_open, drop column asked, drop column asked_until,
    drop column answered_at, drop column answer;
