-- What agents may spend. Whoever decides about it has the agent's lock, so two of them never both take what is left for one.

-- name: lock_agent_budget
-- Locks: an advisory one of the agent, until the transaction is over.
select pg_advisory_xact_lock(%(lock_id)s, hashtext(%(agent)s));

-- name: sum_spending
-- What an agent used up today, by UTC, and what of that a run did, whenever that was; by tool and currency.
select 'day' as per, tool, currency, sum(input_tokens + output_tokens) as tokens,
    max(input_tokens + output_tokens) as most_tokens, coalesce(sum(cost), 0) as cost, coalesce(max(cost), 0) as most_cost
from ordinaut.call_usage
where agent = %(agent)s and used_at >= date_trunc('day', ordinaut.now(), 'UTC')
group by tool, currency
union all
select 'run', tool, currency, sum(input_tokens + output_tokens), max(input_tokens + output_tokens),
    coalesce(sum(cost), 0), coalesce(max(cost), 0)
from ordinaut.call_usage
where run_id = %(run_id)s
group by tool, currency;

-- name: list_budget_holds
-- The other calls of an agent that are under way and may use up something. What a runtime that died had under way is none any
-- more once its lease is over.
with held as materialized (
    select h.run_id, h.step, h.iteration, h.lease_epoch, h.tool from ordinaut.budget_hold h where h.agent = %(agent)s
), leased as materialized (
    select w.run_id, w.lease_epoch from ordinaut.due_work w
    where w.run_id = any(array(select h.run_id from held h)) and w.lease_until > ordinaut.now()
)
select h.tool, h.run_id = %(run_id)s as is_ours
from held h
join leased l on l.run_id = h.run_id and l.lease_epoch = h.lease_epoch
where (h.run_id, h.step, h.iteration) <> (%(run_id)s, %(step)s, %(iteration)s);

-- name: hold_budget
-- A call goes that may use up something.
insert into ordinaut.budget_hold (run_id, step, iteration, lease_epoch, agent, tool)
values (%(run_id)s, %(step)s, %(iteration)s, %(lease_epoch)s, %(agent)s, %(tool)s)
on conflict (run_id, step, iteration) do update set lease_epoch = excluded.lease_epoch, tool = excluded.tool;

-- name: free_budget
-- Results are on record, with what they used up, in this transaction.
delete from ordinaut.budget_hold h
using jsonb_to_recordset(%(rows)s) as f(run_id uuid, step text, iteration integer)
where h.run_id = f.run_id and h.step = f.step and h.iteration = f.iteration and h.run_id = any(%(run_ids)s);

-- name: count_run
-- Whether a run may begin, of those that may today, by UTC; it is counted once, however often it is asked about.
with known as (
    select from ordinaut.budget_run where run_id = %(run_id)s
), added as (
    insert into ordinaut.budget_run (run_id, agent, began_at)
    select %(run_id)s, %(agent)s, ordinaut.now()
    where not exists (select from known) and (
        select count(*) from ordinaut.budget_run
        where agent = %(agent)s and began_at >= date_trunc('day', ordinaut.now(), 'UTC')) < %(most)s
    returning 1
)
select exists (select from known) or exists (select from added) as begins;

-- name: skip_over_budget
-- A run that was claimed, and that no budget is left for, does not begin. Answers as `skip_late`; no row where the lease was lost.
-- Locks: the due_work row.
with held as materialized (
    select w.run_id from ordinaut.due_work w
    where w.run_id = %(run_id)s and w.lease_epoch = %(lease_epoch)s
    for update of w
), dropped as (
    delete from ordinaut.due_work w using held h where w.run_id = h.run_id returning w.run_id, w.task_uid, w.followed
), skipped as (
    update ordinaut.run r
    set state = 'skipped', reason = 'budget', detail = %(detail)s, started_at = null, finished_at = ordinaut.now()
    where r.run_id = any(array(select d.run_id from dropped d))
    returning r.run_id, r.trigger, r.occurrence_for, r.reason, r.detail
), told as (
    insert into ordinaut.event_log (type, subject, run_id, data)
    select 'run.skipped', n.label, k.run_id, jsonb_build_object(
        'task', n.label, 'run_id', k.run_id, 'trigger', k.trigger, 'occurrence_for', k.occurrence_for,
        'reason', k.reason, 'detail', k.detail)
    from skipped k
    join dropped d on d.run_id = k.run_id
    join ordinaut.spec p on p.uid = d.task_uid
    cross join lateral (
        select case p.namespace when 'default' then p.name else p.namespace || '/' || p.name end as label) n
)
select case when d.followed then d.task_uid end as turn, k.trigger = 'run' as is_related
from dropped d
join skipped k on k.run_id = d.run_id;
