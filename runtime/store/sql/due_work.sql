-- name: claim_due
-- Leases ready work, new and expired alike: one path, so recovery cannot fall behind.
-- Each lane is scanned from its floor on, and gives its share before the others compete for the rest: there a step of priority
-- is worth 30 s of waiting. So high lanes go first and no lane starves.
-- What nobody has begun by its deadline does not begin: of such a run the id alone is answered with, for `skip_late`.
-- What is known by its run is looked up through an array: a join may become a scan of all runs for every claim.
-- Locks: the claimed rows, skipping those that others hold. The CTE is materialised, or the planner could lock more rows
-- than the limit. Started runs become `running` here, in the same statement.
with candidate as materialized (
    select w.run_id, w.is_late
    from unnest(%(lanes)s::smallint[], %(shares)s::integer[], %(floors)s::timestamptz[]) as lane(lane, share, floor)
    cross join lateral (
        select d.run_id, d.lane, d.ready_at, d.lease_epoch = 0 and d.start_until < ordinaut.now() as is_late
        from ordinaut.due_work d
        where d.lane = lane.lane and d.ready_at >= lane.floor and d.ready_at <= ordinaut.now()
            and d.lease_until < ordinaut.now()
        order by d.ready_at, d.run_id
        limit %(limit)s
        for update skip locked
    ) w
    order by row_number() over (partition by w.lane order by w.ready_at) > lane.share,
        w.ready_at + make_interval(secs => 30 * (9 - w.lane))
    limit %(limit)s
), leased as (
    update ordinaut.due_work w
    set lease_until = ordinaut.now() + %(lease)s, lease_epoch = lease_epoch + 1, attempt = attempt + 1,
        runtime_id = %(runtime_id)s, woken = false
    where w.run_id = any(array(select c.run_id from candidate c where not c.is_late))
    returning w.run_id, w.task_uid, w.revision_id, w.lease_epoch, w.attempt, w.lane, w.ready_at
), started as (
    update ordinaut.run r
    set state = 'running', started_at = coalesce(r.started_at, ordinaut.now())
    where r.run_id = any(array(select l.run_id from leased l))
    returning r.run_id, r.trigger, r.occurrence_for, r.due_at, r.started_at, r.params, r.event
), named as materialized (
    select l.run_id, case p.namespace when 'default' then p.name else p.namespace || '/' || p.name end as label
    from leased l
    join ordinaut.spec p on p.uid = l.task_uid
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'run.started', n.label, t.run_id, jsonb_build_object(
        'task', n.label, 'run_id', t.run_id, 'trigger', t.trigger, 'occurrence_for', t.occurrence_for,
        'due_at', t.due_at, 'revision', l.revision_id,
        'late_seconds', round(extract(epoch from ordinaut.now() - t.due_at), 3))
    from started t
    join leased l on l.run_id = t.run_id and l.lease_epoch = 1
    join named n on n.run_id = t.run_id
)
select l.run_id, n.label as task, l.task_uid, l.revision_id, l.lease_epoch, l.attempt,
    t.trigger, t.occurrence_for, t.due_at, t.started_at, t.params, t.event, ordinaut.now() as claimed_at,
    l.lane, l.ready_at
from leased l
join started t on t.run_id = l.run_id
join named n on n.run_id = l.run_id
union all
select run_id, null, null, null, null, null, null, null, null, null, null, null, null, null, null
from candidate where is_late
order by due_at;

-- name: skip_late
-- What claims found, and nobody has begun by its deadline: it is skipped. Answers with what that may concern: a task in whose
-- backlog another waits for the end of this one, and whether it is the child of a run.
-- Locks: the rows, by run, as `record_progress` does.
with late as materialized (
    select w.run_id
    from ordinaut.due_work w
    where w.run_id = any(%(run_ids)s::uuid[]) and w.lease_epoch = 0 and w.start_until < ordinaut.now()
    order by w.run_id
    for update of w
), dropped as (
    delete from ordinaut.due_work w using late l where w.run_id = l.run_id returning w.run_id, w.task_uid, w.followed
), skipped as (
    update ordinaut.run r
    set state = 'skipped', reason = 'start_deadline', finished_at = ordinaut.now()
    where r.run_id = any(array(select d.run_id from dropped d))
    returning r.run_id, r.trigger, r.occurrence_for, r.reason
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'run.skipped', n.label, k.run_id, jsonb_build_object(
        'task', n.label, 'run_id', k.run_id, 'trigger', k.trigger, 'occurrence_for', k.occurrence_for,
        'reason', k.reason)
    from skipped k
    join dropped d on d.run_id = k.run_id
    join ordinaut.spec p on p.uid = d.task_uid
    cross join lateral (
        select case p.namespace when 'default' then p.name else p.namespace || '/' || p.name end as label) n
)
select case when d.followed then d.task_uid end as turn, k.trigger = 'run' as is_related
from dropped d
join skipped k on k.run_id = d.run_id;

-- name: renew_leases
-- Keeps leases alive; a run that is not returned is lost, and its local work must stop. One that was just handed back, or
-- put to sleep, is not leased again.
-- Locks: the rows, in order of run, as `record_progress` does; in another order the two could wait for each other.
with held as materialized (
    select w.run_id
    from unnest(%(run_ids)s::uuid[], %(lease_epochs)s::integer[]) as ours(run_id, lease_epoch)
    join ordinaut.due_work w on w.run_id = ours.run_id and w.lease_epoch = ours.lease_epoch
    where w.lease_until > '-infinity'
    order by w.run_id
    for update of w
)
update ordinaut.due_work w
set lease_until = ordinaut.now() + %(lease)s
from held
where w.run_id = held.run_id
returning w.run_id;

-- name: release_leases
-- Hands work back unstarted, at once or for a later moment: taking it costs no attempt.
-- Locks: as `renew_leases`.
with held as materialized (
    select w.run_id
    from unnest(%(run_ids)s::uuid[], %(lease_epochs)s::integer[]) as ours(run_id, lease_epoch)
    join ordinaut.due_work w on w.run_id = ours.run_id and w.lease_epoch = ours.lease_epoch
    order by w.run_id
    for update of w
)
update ordinaut.due_work w
set lease_until = '-infinity', runtime_id = null, attempt = greatest(attempt - 1, 0),
    ready_at = case when %(wait)s > interval '0' then ordinaut.now() + %(wait)s else ready_at end
from held
where w.run_id = held.run_id
returning w.run_id;

-- name: seconds_until_ready
-- How long until some unleased work is ready by the server's clock, negative when overdue and null when there is none; and
-- whether some waits for a slot of its concurrency key. What waits for one is not overdue.
-- The orders are for the planner, which else reads the whole table in the hope of an early match.
-- Few are ready when this is asked, mostly those that are being executed; of the many that may sleep, one a lane is looked at.
with lane as (
    select * from unnest(%(lanes)s::smallint[], %(floors)s::timestamptz[]) as l(lane, floor)
    union all
    select 100 + l, '-infinity' from generate_series(1, 9) l
), upcoming as (
    select greatest(r.ready_at, r.lease_until) as instant
    from lane l
    cross join lateral (
        select d.ready_at, d.lease_until from ordinaut.due_work d
        where d.lane = l.lane and d.ready_at >= l.floor and d.ready_at <= ordinaut.now()
        order by d.ready_at, d.run_id
        limit 2000) r
    where l.lane < 100
    union all
    select f.ready_at
    from lane l
    cross join lateral (
        select d.ready_at from ordinaut.due_work d
        where d.lane = l.lane and d.ready_at > ordinaut.now()
        order by d.ready_at, d.run_id
        limit 1) f
)
select (select extract(epoch from min(instant) - ordinaut.now())::float8 from upcoming) as ready_in,
    exists (
        select from lane l
        cross join lateral (
            select from ordinaut.due_work d
            where d.lane = l.lane and d.ready_at <= ordinaut.now()
            order by d.ready_at, d.run_id
            limit 1) g
        where l.lane > 100) as is_gated;

-- name: record_progress
-- Everything a lease holder may write, for many runs at once: step results, failed tries, events, and what the run does
-- next (`keep` its lease, `wait` without it, or `finish`). A run that was woken while it was held does not wait. The fencing token is checked by the lock that opens the
-- statement; a run whose lease was lost contributes nothing at all, and is missing from the answer. `turn` is the task in
-- whose backlog somebody must look, because a run that others wait for is over; `failing` one that is to be paused after some failures; `frees` says that a slot of
-- a concurrency key is free, and `ready_in` how soon a run that waits is ready.
-- Locks: the due_work rows, in order of run.
with report as materialized (
    select * from jsonb_to_recordset(%(reports)s) as r(
        run_id uuid, lease_epoch integer, task text, move text, state text, wait_seconds float8,
        error jsonb, results jsonb, attempts jsonb, intents jsonb, waits jsonb,
        emits jsonb, events jsonb)
), held as materialized (
    select w.run_id, w.woken, case when r.move = 'finish' and w.followed then w.task_uid end as turn,
        case when r.move = 'finish' and r.state = 'failed' and exists (
            select from ordinaut.spec s where s.uid = w.task_uid and s.body ? 'pause_after_failures')
            then w.task_uid end as failing,
        r.move = 'finish' and w.slot_key is not null as frees,
        case when r.move = 'wait' then case when w.woken then 0 else r.wait_seconds end end as ready_in
    from ordinaut.due_work w
    join report r on r.run_id = w.run_id
    where w.run_id = any(array(select run_id from report)) and w.lease_epoch = r.lease_epoch
    order by w.run_id
    for update of w
), accepted as materialized (
    select r.*, h.woken from report r join held h on h.run_id = r.run_id
), recorded as (
    insert into ordinaut.step_result
        (run_id, step, iteration, lease_epoch, attempt, outcome, uses, input, output, error, idempotency_key,
         server_generation, schema_digest, started_at, finished_at, reused_at, sent, size)
    -- Part by part: making a row of each would take ten times as long.
    select a.run_id, s.part ->> 'step', (s.part ->> 'iteration')::integer, a.lease_epoch,
        (s.part ->> 'attempt')::smallint, s.part ->> 'outcome', s.part ->> 'uses',
        nullif(s.part -> 'input', 'null'), nullif(s.part -> 'output', 'null'), nullif(s.part -> 'error', 'null'),
        s.part ->> 'idempotency_key', (s.part ->> 'server_generation')::integer, s.part ->> 'schema_digest',
        ordinaut.now() - make_interval(secs => (s.part ->> 'seconds')::float8), ordinaut.now(),
        (s.part ->> 'reused_at')::timestamptz, (s.part ->> 'sent')::boolean, (s.part ->> 'size')::integer
    from accepted a
    cross join lateral jsonb_array_elements(a.results) as s(part)
    on conflict (run_id, step, iteration) do nothing
), tried as (
    insert into ordinaut.step_attempt
        (run_id, step, iteration, attempt, lease_epoch, outcome, error, started_at, finished_at, retry_at,
         left_open, asked, asked_until)
    select a.run_id, t.step, t.iteration, t.attempt, a.lease_epoch, t.outcome, t.error,
        ordinaut.now() - make_interval(secs => t.seconds), ordinaut.now(),
        ordinaut.now() + make_interval(secs => t.wait_seconds),
        t.left_open, t.asked, ordinaut.now() + make_interval(secs => t.ask_seconds)
    from accepted a
    cross join lateral jsonb_to_recordset(a.attempts) as t(
        step text, iteration integer, attempt smallint, outcome text, error jsonb, seconds float8, wait_seconds float8,
        left_open jsonb, asked jsonb, ask_seconds float8)
    on conflict (run_id, step, iteration, attempt) do nothing
), intended as (
    -- Said again, it asks people what became of the call.
    insert into ordinaut.step_intent (run_id, step, iteration, attempt, lease_epoch, idempotency_key, asked, asked_at)
    select a.run_id, i.step, i.iteration, i.attempt, a.lease_epoch, i.idempotency_key, i.asked,
        case when i.asked is not null then ordinaut.now() end
    from accepted a
    cross join lateral jsonb_to_recordset(a.intents) as i(
        step text, iteration integer, attempt smallint, idempotency_key text, asked jsonb)
    on conflict (run_id, step, iteration, attempt) do update set asked = excluded.asked, asked_at = excluded.asked_at
    where step_intent.asked is null and excluded.asked is not null
), begun as (
    insert into ordinaut.wait (run_id, step, iteration, kind, asked, until)
    select a.run_id, b.step, b.iteration, b.kind, b.asked, ordinaut.now() + make_interval(secs => b.seconds)
    from accepted a
    cross join lateral jsonb_to_recordset(a.waits) as b(
        step text, iteration integer, kind text, asked jsonb, seconds float8)
    on conflict (run_id, step, iteration) do nothing
), emitted as (
    insert into ordinaut.event (source, event_id, topic, data, run_id)
    select e.source, e.id, e.topic, coalesce(e.data, 'null'), a.run_id
    from accepted a
    cross join lateral jsonb_to_recordset(a.emits) as e(source text, id text, topic text, data jsonb)
    on conflict (source, event_id) do nothing
    returning source, event_id, topic, data
), told_on as (
    insert into ordinaut.event_log (type, subject, data)
    select 'event.arrived', topic, jsonb_build_object('topic', topic, 'source', source, 'id', event_id, 'data', data)
    from emitted
), told as (
    insert into ordinaut.event_log (event_id, type, subject, run_id, data)
    select (e.event ->> 'id')::uuid, e.event ->> 'type', a.task, a.run_id, e.event -> 'data'
    from accepted a
    cross join lateral jsonb_array_elements(a.events) with ordinality as e(event, position)
    order by a.run_id, e.position
), moved as (
    update ordinaut.run r
    set state = a.state, error = a.error,
        finished_at = case when a.move = 'finish' then ordinaut.now() end
    -- All that are looked up are joined at once: of `accepted` one row is expected, and each would be looked up by itself.
    from report a
    where r.run_id = a.run_id and r.run_id = any(array(select run_id from accepted where move <> 'keep'))
), waiting as (
    update ordinaut.due_work w
    set ready_at = case when a.woken then ordinaut.now() else ordinaut.now() + make_interval(secs => a.wait_seconds) end,
        lease_until = '-infinity', runtime_id = null, attempt = 0
    from accepted a
    where w.run_id = a.run_id and a.move = 'wait'
        and w.run_id = any(array(select run_id from accepted where move = 'wait'))
), progressed as (
    -- A run that gets further does not kill its runtimes. Nothing is written for one that was leased once.
    update ordinaut.due_work w set attempt = 1
    from accepted a
    where w.run_id = a.run_id and a.move = 'keep' and w.attempt > 1
        and w.run_id = any(array(select run_id from accepted where move = 'keep'))
), finished as (
    delete from ordinaut.due_work w
    where w.run_id = any(array(select run_id from accepted where move = 'finish'))
)
select run_id, turn, failing, frees, ready_in from held;

-- name: record_counts
-- After `record_progress`, in its transaction: how far runs are, as runs of the same project say whose lease held. The last
-- word of each name counts. A run has fifty names at most.
-- Locks: the rows of runs that are told of, in order; whoever waits for another here says it again.
update ordinaut.run r
set progress = coalesce(r.progress, '{}') || c.counts
from (
    select t.run_id, jsonb_object_agg(t.name, t.count order by t.place) as counts
    from (
        select c.run as run_id, c.name, e.place,
            jsonb_build_object('done', c.done, 'total', c.total, 'failed', c.failed) as count
        from jsonb_array_elements(%(rows)s::jsonb) with ordinality as e(row, place)
        cross join lateral jsonb_to_record(e.row) as c(
            run_id uuid, run uuid, name text, done bigint, total bigint, failed bigint)
        join ordinaut.run teller on teller.run_id = c.run_id and teller.run_id = any(%(run_ids)s)
        join ordinaut.spec ts on ts.uid = teller.task_uid
        join ordinaut.run told on told.run_id = c.run
        join ordinaut.spec s on s.uid = told.task_uid and s.project = ts.project
        order by c.run, e.place) t
    group by t.run_id) c
where r.run_id = c.run_id and (
    r.progress is null or (select count(*) from jsonb_object_keys(r.progress || c.counts)) <= 50);

-- name: load_results
-- What earlier leases of a run have recorded: results; of calls without one, how many tries there were and how long until
-- another may follow, how many of them were left open and what is still to be gone on with; waits, how long they last and how
-- they were answered, what is asked in the middle of a call standing under the step's name and the number of its try; intents without a result or a failed try of the
-- same number, which nobody knows the end of, whether people are asked and what they said; how long they were asked; and what a run that is run
-- again goes back to.
select 'result' as what, step, iteration, outcome, output, error, null::smallint as attempts, null::float8 as ready_in
from ordinaut.step_result where run_id = %(run_id)s
union all
select 'tries', step, iteration, null, to_jsonb(count(left_open)), null, max(attempt),
    extract(epoch from max(retry_at) - ordinaut.now())::float8
from ordinaut.step_attempt where run_id = %(run_id)s group by step, iteration
union all
select 'open', t.step, t.iteration, null, t.left_open || jsonb_build_object('asked', t.asked), null, t.attempt,
    extract(epoch from ordinaut.now() - t.finished_at)::float8
from ordinaut.step_attempt t
where t.run_id = %(run_id)s and t.left_open is not null
    -- A later try that was refused, or asked something else, leaves nothing to be gone on with.
    and not exists (
        select from ordinaut.step_attempt l
        where l.run_id = t.run_id and l.step = t.step and l.iteration = t.iteration and l.attempt > t.attempt
            and (t.left_open ? 'task' or l.left_open is not null or l.outcome <> all(%(asks_again)s)))
union all
select 'wait', step, iteration, kind, answer, null, null, extract(epoch from until - ordinaut.now())::float8
from ordinaut.wait where run_id = %(run_id)s
union all
select 'wait', step || '(' || attempt || ')', iteration, 'approval', answer, null, null,
    extract(epoch from asked_until - ordinaut.now())::float8
from ordinaut.step_attempt where run_id = %(run_id)s and asked is not null
union all
select 'intent', i.step, i.iteration, case when i.asked is not null then 'asked' end, i.answer, null, i.attempt, null
from ordinaut.step_intent i
where i.run_id = %(run_id)s
    and not exists (
        select from ordinaut.step_result r
        where r.run_id = i.run_id and r.step = i.step and r.iteration = i.iteration)
    and not exists (
        select from ordinaut.step_attempt t
        where t.run_id = i.run_id and t.step = i.step and t.iteration = i.iteration and t.attempt = i.attempt)
union all
select 'asked', '', 0, null, null, null, null, extract(epoch from sum(upper(span) - lower(span)))::float8
from (
    select range_agg(tstzrange(asked_at, greatest(asked_at, coalesce(answered_at, ordinaut.now())))) as spans
    from ordinaut.step_intent where run_id = %(run_id)s and asked_at is not null) asked
cross join lateral unnest(asked.spans) span
having count(*) > 0
union all
select 'origin', origin_id::text, replay_no, null, null, null, null, null
from ordinaut.run where run_id = %(run_id)s and origin_id is not null;
