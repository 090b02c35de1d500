-- Calls that may have happened and must not be repeated: what people are asked about them, and what they say.

alter table ordinaut.step_intent add column asked jsonb;
alter table ordinaut.step_intent add column asked_at timestamptz;
alter table ordinaut.step_intent add column answered_at timestamptz;
alter table ordinaut.step_intent add column answer jsonb;
alter table ordinaut.step_intent add constraint step_intent_answer_is_whole check ((answered_at is null) = (answer is null));
comment on column ordinaut.step_intent.asked is 'the call, and why nobody knows whether it happened; null where people are not asked';
comment on column ordinaut.step_intent.answer is 'what it was settled as, by whom and why';
create index step_intent_open on ordinaut.step_intent (asked_at) where asked_at is not null and answered_at is null;
