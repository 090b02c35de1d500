-- Calls that their servers leave open because they ask something: the try that was answered so keeps what was asked, whom,
-- and what people answered, for the next try to go on with.

alter table ordinaut.step_attempt add column left_open jsonb;
alter table ordinaut.step_attempt add column asked jsonb;
alter table ordinaut.step_attempt add column asked_until timestamptz;
alter table ordinaut.step_attempt add column answered_at timestamptz;
alter table ordinaut.step_attempt add column answer jsonb;
alter table ordinaut.step_attempt add constraint step_attempt_answer_is_whole check ((answered_at is null) = (answer is null));
comment on column ordinaut.step_attempt.left_open is 'what the next try goes on with: what the server wants back, and the arguments; null where it begins anew';
comment on column ordinaut.step_attempt.asked is 'what the server asks, of which call, and who may answer; null where nobody is asked';
comment on column ordinaut.step_attempt.asked_until is 'when it is too late to answer; null where it never is';
comment on column ordinaut.step_attempt.answer is 'what was decided, by whom and why, and the answers';
create index step_attempt_asked on ordinaut.step_attempt (finished_at) where asked is not null and answered_at is null;
