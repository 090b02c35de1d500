-- Events that came from outside, and the waits that they end.

-- name: insert_event
-- Puts an event on record, once: nothing is written for one that came before.
with arrived as (
    insert into ordinaut.event (source, event_id, topic, data, trace_link)
    values (%(source)s, %(event_id)s, %(topic)s, %(data)s, %(trace_link)s)
    on conflict (source, event_id) do nothing
    returning event_no, source, event_id, topic, data
), told as (
    insert into ordinaut.event_log (type, subject, data)
    select 'event.arrived', topic, jsonb_build_object('topic', topic, 'source', source, 'id', event_id, 'data', data)
    from arrived
    where %(is_told)s
)
select event_no from arrived;

-- name: take_arrivals
-- Events that nobody has looked at, in the order in which they came.
-- Locks: these, passing over those that somebody else is at.
select event_no, source, event_id as id, topic, data, arrived_at
from ordinaut.event
where delivered_at is null
order by event_no
limit %(limit)s
for update skip locked;

-- name: mark_delivered
update ordinaut.event set delivered_at = ordinaut.now() where event_no = any(%(event_nos)s);

-- name: lock_waiting_runs
-- The runs that wait for an event of these topics: none of them gets further, or finds an event by itself, until the
-- transaction ends.
-- Locks: their due_work rows, by run, as `record_progress` does.
select d.run_id
from ordinaut.due_work d
where d.run_id in (
    select w.run_id from ordinaut.wait w
    where w.kind in ('event', 'callback') and w.answered_at is null and w.asked ->> 'topic' = any(%(topics)s))
order by d.run_id
for update of d;

-- name: lock_held_run
-- A run, for its holder alone. Locks: its due_work row.
select run_id from ordinaut.due_work where run_id = %(run_id)s and lease_epoch = %(lease_epoch)s for update;

-- name: heed_answers
-- Whoever holds the run reads all its waits next, and goes by them. After `lock_held_run`, in its transaction: what is answered
-- after that marks the run again. What people said of a call that may have happened is read by the next claim alone, as
-- `load_results` reads it, so until then the mark stays.
update ordinaut.due_work w set woken = false
where w.run_id = %(run_id)s and w.woken and not exists (
    select from ordinaut.step_intent i
    where i.run_id = w.run_id and i.answered_at is not null
        and not exists (
            select from ordinaut.step_result r
            where r.run_id = i.run_id and r.step = i.step and r.iteration = i.iteration)
        and not exists (
            select from ordinaut.step_attempt t
            where t.run_id = i.run_id and t.step = i.step and t.iteration = i.iteration and t.attempt = i.attempt));

-- name: list_open_waits
-- The waits of these runs that an event may end, in the order in which they began, and the events that ended others of
-- theirs: one event ends one wait of a run.
select w.run_id, w.step, w.iteration, w.asked ->> 'topic' as topic, w.asked ->> 'filter' as filter, r.started_at, w.until
from ordinaut.wait w
join ordinaut.run r on r.run_id = w.run_id
where w.run_id = any(%(run_ids)s) and w.kind in ('event', 'callback') and w.answered_at is null
    and not exists (
        select from ordinaut.step_result s
        where s.run_id = w.run_id and s.step = w.step and s.iteration = w.iteration)
order by w.run_id, w.began_at, w.step, w.iteration;

-- name: list_used_events
select w.run_id, w.answer ->> 'source' as source, w.answer ->> 'id' as id
from ordinaut.wait w
where w.run_id = any(%(run_ids)s) and w.kind in ('event', 'callback') and w.answer is not null;

-- name: list_events_after
-- Events of some topics that came since then, in their order.
select event_no, source, event_id as id, topic, data, arrived_at
from ordinaut.event
where topic = any(%(topics)s) and event_no > %(after)s and arrived_at >= %(since)s
order by event_no
limit %(limit)s;

-- name: end_waits
-- Gives waits their answers, and wakes their runs: where one sleeps it is made ready, where it is held it is marked, and
-- looks again before it sleeps. After `lock_waiting_runs` or `lock_held_run`, in their transaction.
with ended as (
    update ordinaut.wait w
    set answered_at = ordinaut.now(), answer = e.answer
    from jsonb_to_recordset(%(ended)s) as e(run_id uuid, step text, iteration integer, answer jsonb)
    where w.run_id = e.run_id and w.step = e.step and w.iteration = e.iteration and w.answered_at is null
    returning w.run_id
)
update ordinaut.due_work d
set woken = true, ready_at = case when d.lease_until = '-infinity' then ordinaut.now() else d.ready_at end
from (select distinct run_id from ended) e
where d.run_id = e.run_id;

-- name: read_waits
-- Where the waits of a run stand; what is asked in the middle of a call has the step's name with the number of its try.
select step, iteration, answer, extract(epoch from until - ordinaut.now())::float8 as over_in
from ordinaut.wait
where run_id = %(run_id)s
union all
select step || '(' || attempt || ')', iteration, answer, extract(epoch from asked_until - ordinaut.now())::float8
from ordinaut.step_attempt
where run_id = %(run_id)s and asked is not null;

-- name: forget_events
-- Events that are too old for anybody: no active run began before they came, and no task is still to decide about them.
with oldest as (
    select least(ordinaut.now() - %(keep)s, min(started_at)) as at
    from ordinaut.run where finished_at is null
)
delete from ordinaut.event
where event_no in (
    select e.event_no from ordinaut.event e, oldest o
    where e.arrived_at < o.at and e.delivered_at is not null
        and not exists (select from ordinaut.heard h where h.event_no = e.event_no)
    order by e.event_no
    limit %(limit)s);

-- name: read_callback_key
select callback_key from ordinaut.installation;

-- name: find_callback
-- Where the wait stands that a callback is for. Locks: the run's due_work row; there is none of a run that is over.
with held as materialized (select run_id from ordinaut.due_work where run_id = %(run_id)s for update)
select h.run_id, b.body, w.answered_at is not null as is_used,
    coalesce(w.until < ordinaut.now(), false) or exists (
        select from ordinaut.step_result s
        where s.run_id = h.run_id and (s.step = %(step)s or s.step = '(over)' and s.finished_at > w.began_at)) as is_over
from held h
join ordinaut.run r on r.run_id = h.run_id
join ordinaut.spec_revision b on b.uid = r.task_uid and b.revision_id = r.revision_id
left join ordinaut.wait w on w.run_id = h.run_id and w.step = %(step)s and w.kind = 'callback';
