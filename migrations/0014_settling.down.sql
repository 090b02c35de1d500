-- What people were asked, and what they said, is lost.
drop index ordinaut.step_intent_open;
alter table ordinaut.step_intent drop constraint step_intent_answer_is_whole;
alter table ordinaut.step_intent drop column asked, drop column asked_at, drop column answered_at, drop column answer;
