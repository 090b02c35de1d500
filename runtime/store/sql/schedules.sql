-- name: list_due_schedules
-- What time has reached, without what this runtime cannot expand. What is on time goes first, so that whoever was missed
-- for long holds nobody up; then the most overdue; then what is due soon. No lock: firing compares and sets.
select s.task_uid, s.generation, s.cursor_for, s.next_due_at, p.revision_id, p.body, ordinaut.now() as now,
    s.snoozed_since, s.snoozed_until,
    -- Only where something was left undecided when it was snoozed again: nothing ran in between.
    array(
        select array[o.created_at, o.ended_at] from ordinaut.task_override o
        where s.cursor_for < s.snoozed_since and o.task_uid = s.task_uid and o.kind = 'snooze'
            and o.ended_at > s.cursor_for and o.created_at < s.snoozed_since) as snoozed_before
from ordinaut.schedule s
join ordinaut.spec p on p.uid = s.task_uid
where s.next_due_at <= ordinaut.now() + %(ahead)s and s.paused_at is null and p.retired_at is null
    and not exists (
        select from unnest(%(broken_uids)s::bigint[], %(broken_revisions)s::bigint[]) as broken(uid, revision_id)
        where broken.uid = s.task_uid and broken.revision_id = p.revision_id)
order by s.next_due_at > ordinaut.now(), s.next_due_at < ordinaut.now() - interval '1 minute', s.next_due_at
limit %(limit)s;

-- name: fire_schedules
-- Advances schedules, creates their runs and queues them: all or nothing for each schedule, however many race.
-- A schedule that another runtime advanced, or that an apply or a request for a run changed, no longer matches
-- (task_uid, generation, cursor_for), and nothing of its firing is written. Nor is it where another revision is in force; where
-- what was decided for one instant comes before it or much later, or the schedule is due at another now; or where somebody
-- holds the row, so that an apply of some tasks does not hold up all the others. So nobody makes a run of these tasks
-- beside us: what is seen here to be free is free. What is seen to be active may end meanwhile; who waits for it is looked
-- after when this has committed (`turns`). Who fires has `room` for so many runs, and holds their leases from the first.
-- It may be asked for `ahead` of an instant, which must have come before it is committed: then what is written says the
-- instant. Nobody else sees it until then, and who comes to the row in the meantime waits, and finds it fired.
-- Locks: the schedule rows, by task; then, where runs are ended, backlog rows and due_work rows, each by run.
with firing as materialized (
    select * from jsonb_to_recordset(%(firings)s) as f(
        task_uid bigint, generation integer, expected_cursor timestamptz, cursor_for timestamptz,
        next_for timestamptz, next_due_at timestamptz, revision_id bigint, as_of timestamptz)
), moment as materialized (
    select greatest(ordinaut.now(), least(max(as_of), ordinaut.now() + %(ahead)s)) as now from firing
), locked as materialized (
    select s.task_uid
    from ordinaut.schedule s
    join firing f on f.task_uid = s.task_uid
    cross join moment m
    where s.generation = f.generation and s.cursor_for = f.expected_cursor and s.paused_at is null
        and (f.as_of is null
            or f.as_of = s.next_due_at and f.as_of between m.now - interval '1 second' and m.now)
        and (f.revision_id is null or exists (
            select from ordinaut.spec p
            where p.uid = f.task_uid and p.revision_id = f.revision_id and p.retired_at is null))
    order by s.task_uid
    for update of s skip locked
), advanced as (
    update ordinaut.schedule s
    set cursor_for = f.cursor_for, next_for = f.next_for, next_due_at = f.next_due_at,
        seal = ordinaut.seal(f.cursor_for, f.next_for, f.next_due_at), tzdata = %(tzdata)s
    from firing f
    join locked l on l.task_uid = f.task_uid
    where s.task_uid = f.task_uid
    returning s.task_uid
), decision as materialized (
    select d.*, row_number() over (partition by d.task_uid, d.reason is null order by d.occurrence_for) as place
    from jsonb_to_recordset(%(decisions)s) as d(
        run_id uuid, task_uid bigint, task text, revision_id bigint, occurrence_for timestamptz, due_at timestamptz,
        start_until timestamptz, lane smallint, beside boolean, replaces boolean, may_wait integer, reason text,
        detail text)
    join advanced a on a.task_uid = d.task_uid
    where not exists (select from ordinaut.run r where r.run_id = d.run_id)
), contender as materialized (
    -- Tasks of which a run must not simply begin beside what is active.
    select task_uid, task, bool_or(replaces) as replaces
    from decision where reason is null and not beside
    group by task_uid, task
), active as materialized (
    select r.run_id, r.task_uid, r.trigger = 'backfill' as is_backfill, c.replaces
    from contender c
    cross join lateral (
        select r.run_id, r.task_uid, r.trigger
        from ordinaut.run r
        where r.task_uid = c.task_uid and r.finished_at is null
            and not exists (select from ordinaut.backlog b where b.run_id = r.run_id)
    ) r
), waiting as materialized (
    select c.task_uid, c.replaces, b.run_id, b.rank
    from contender c join ordinaut.backlog b on b.task_uid = c.task_uid
), held_back as materialized (
    -- What ends here: what is replaced, and what has not begun by its deadline and so stands in nobody's way.
    select b.run_id, b.start_until < ordinaut.now() as is_late
    from waiting w join ordinaut.backlog b on b.run_id = w.run_id
    where w.replaces and w.rank = 0 or b.start_until < ordinaut.now()
    order by b.run_id
    for update of b
), unqueued as (
    delete from ordinaut.backlog b using held_back h where b.run_id = h.run_id returning b.run_id, h.is_late
), held as materialized (
    select w.run_id, w.lease_epoch = 0 and w.start_until < ordinaut.now() as is_late
    from active a
    join ordinaut.due_work w on w.run_id = a.run_id
    where (select count(*) from unqueued) >= 0
        and (a.replaces and not a.is_backfill or w.lease_epoch = 0 and w.start_until < ordinaut.now())
    order by w.run_id
    for update of w
), ending as materialized (
    -- What has steps of `finally` is over after these.
    select run_id, is_late, case when is_late then 'none'
        else ordinaut.begin_finally(run_id, 'overlap', null, null) end as last
    from held
), dropped as (
    delete from ordinaut.due_work w using ending h where w.run_id = h.run_id and h.last = 'none'
    returning w.run_id, h.is_late
), ended as (
    update ordinaut.run r
    set state = case when e.is_late then 'skipped' else 'cancelled' end,
        reason = case when e.is_late then 'start_deadline' else 'overlap' end, finished_at = ordinaut.now()
    from (select run_id, is_late from dropped union all select run_id, is_late from unqueued) e
    where r.run_id = e.run_id
    returning r.run_id, r.task_uid, r.state, r.reason, r.trigger, r.occurrence_for, r.started_at
), standing as materialized (
    -- Only of tasks that are busy: where nobody is, nothing is left to be joined.
    select task_uid, bool_or(is_run) as runs, count(*) filter (where is_before) as waits
    from (
        select task_uid, not is_backfill as is_run, false as is_before
        from active
        where run_id not in (select run_id from ending where last = 'none')
        union all
        select task_uid, false, rank = 0
        from waiting
        where run_id not in (select run_id from held_back)
    ) one
    group by task_uid
), judged as materialized (
    -- A regular occurrence that meets nothing but a backfill waits, whatever its policy, if no other does.
    select d.*, case
        when d.reason is not null then 'skip'
        when d.beside or s.task_uid is null and d.place = 1 then 'begin'
        when coalesce(s.waits, 0) + d.place - case when s.task_uid is null then 1 else 0 end
            <= greatest(d.may_wait, case when s.runs then 0 when s.task_uid is not null then 1 else 0 end) then 'wait'
        else 'skip' end as fate
    from decision d
    left join standing s on s.task_uid = d.task_uid
), fated as materialized (
    select j.*, case fate when 'skip' then
        coalesce(reason, case when may_wait = 0 then 'overlap' else 'overlap_queue_full' end) end as skip_reason
    from judged j
), begun as materialized (
    -- In the order in which they would be claimed. Who needs a slot of a concurrency key is let through by the gate.
    select run_id from fated cross join moment m
    where fate = 'begin' and lane < 100 and due_at <= m.now and coalesce(start_until, 'infinity') >= m.now
    order by due_at + make_interval(secs => 30 * (9 - lane)), run_id
    limit %(room)s
), new_run as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, occurrence_for, due_at, state, reason, detail, started_at, finished_at,
         decided_by, tzdata)
    select f.run_id, task_uid, revision_id, 'schedule', occurrence_for, due_at,
        case when fate = 'skip' then 'skipped' when b.run_id is not null then 'running' else 'queued' end, skip_reason,
        detail, case when b.run_id is not null then m.now end, case fate when 'skip' then m.now end, %(decided_by)s,
        %(tzdata)s
    from fated f cross join moment m left join begun b on b.run_id = f.run_id
), new_work as (
    insert into ordinaut.due_work
        (run_id, task_uid, revision_id, ready_at, start_until, lane, lease_until, lease_epoch, attempt, runtime_id)
    select f.run_id, task_uid, revision_id, greatest(m.now, due_at), coalesce(start_until, 'infinity'), lane,
        case when b.run_id is null then '-infinity' else m.now + %(lease)s end,
        case when b.run_id is null then 0 else 1 end, case when b.run_id is null then 0 else 1 end,
        case when b.run_id is not null then %(decided_by)s::integer end
    from fated f cross join moment m left join begun b on b.run_id = f.run_id
    where fate = 'begin'
), new_waiting as (
    insert into ordinaut.backlog (run_id, task_uid, revision_id, ready_at, start_until, lane)
    select run_id, task_uid, revision_id, due_at, coalesce(start_until, 'infinity'), lane
    from fated where fate = 'wait'
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data, occurred_at)
    select t.type, t.task, t.run_id, t.data, m.now
    from (
        select 'run.' || e.state as type, c.task, e.run_id, e.occurrence_for, jsonb_build_object(
            'task', c.task, 'run_id', e.run_id, 'trigger', e.trigger, 'occurrence_for', e.occurrence_for,
            'reason', e.reason) || case e.state when 'cancelled' then jsonb_build_object(
            'seconds', coalesce(round(extract(epoch from ordinaut.now() - e.started_at), 3), 0)) else '{}' end as data
        from ended e join contender c on c.task_uid = e.task_uid
        union all
        select 'run.skipped', task, run_id, occurrence_for, jsonb_build_object(
            'task', task, 'run_id', run_id, 'trigger', 'schedule', 'occurrence_for', occurrence_for,
            'reason', skip_reason) || case when detail is null then '{}' else jsonb_build_object('detail', detail) end
        from fated where fate = 'skip'
        union all
        select 'run.started', task, run_id, occurrence_for, jsonb_build_object(
            'task', task, 'run_id', run_id, 'trigger', 'schedule', 'occurrence_for', occurrence_for, 'due_at', due_at,
            'revision', revision_id, 'late_seconds', round(extract(epoch from m.now - due_at), 3))
        from fated cross join moment m where run_id in (select run_id from begun)
    ) t
    cross join moment m
    order by t.occurrence_for, t.run_id
)
select
    (select count(*) from advanced) as advanced,
    (select count(*) from fated where fate = 'begin') as queued,
    (select count(*) from fated where fate = 'wait') as waiting,
    (select count(*) from fated where fate = 'skip') as skipped,
    array(select run_id from ended where state = 'cancelled'
        union all select run_id from ending where last = 'begins') as cancelled,
    array(select task_uid from fated where fate = 'wait' union select task_uid from ended) as turns,
    array(select task_uid from active union select task_uid from waiting) as busy,
    array(select run_id from begun) as begun, m.now, ordinaut.now() as asked_at
from moment m;

-- name: hold_briefly
-- Who stops while it holds schedules loses them soon.
set local idle_in_transaction_session_timeout = '1s';

-- name: look_ahead
-- How long until one of the schedules that `list_due_schedules` lists is due, by the server's clock, negative when overdue
-- and null when nothing is planned; and whether some run waits for its turn.
select (
    select extract(epoch from s.next_due_at - ordinaut.now())::float8
    from ordinaut.schedule s
    join ordinaut.spec p on p.uid = s.task_uid
    where s.next_due_at is not null and s.paused_at is null and p.retired_at is null
        and not exists (
            select from unnest(%(broken_uids)s::bigint[], %(broken_revisions)s::bigint[]) as broken(uid, revision_id)
            where broken.uid = s.task_uid and broken.revision_id = p.revision_id)
    order by s.next_due_at
    limit 1
) as due_in, exists (select from ordinaut.backlog) as is_waited, ordinaut.now() as now;
