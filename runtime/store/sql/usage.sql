-- What calls used up: written with their results, and summed up.

-- name: record_usage
-- After `record_progress`, in its transaction, of runs whose lease held. Said again, it is written once.
insert into ordinaut.call_usage
    (run_id, step, iteration, attempt, task_uid, agent, tool, model, input_tokens, output_tokens, cache_read_tokens,
     cache_written_tokens, reasoning_tokens, cost, currency, cost_source, used_at)
select u.run_id, u.step, u.iteration, u.attempt, r.task_uid, b.body ->> 'agent', u.tool, u.model, u.input_tokens,
    u.output_tokens, u.cache_read_tokens, u.cache_written_tokens, u.reasoning_tokens, u.cost, u.currency, u.cost_source,
    ordinaut.now()
from jsonb_to_recordset(%(rows)s) as u(
    run_id uuid, step text, iteration integer, attempt smallint, tool text, model text, input_tokens bigint,
    output_tokens bigint, cache_read_tokens bigint, cache_written_tokens bigint, reasoning_tokens bigint, cost numeric,
    currency text, cost_source text)
join ordinaut.run r on r.run_id = u.run_id and r.run_id = any(%(run_ids)s)
join ordinaut.spec_revision b on b.uid = r.task_uid and b.revision_id = r.revision_id
on conflict (run_id, step, iteration, attempt) do nothing;

-- name: record_poll_usage
-- Of a poll, under the run that it starts if it fires.
insert into ordinaut.call_usage
    (run_id, step, iteration, attempt, task_uid, agent, tool, model, input_tokens, output_tokens, cache_read_tokens,
     cache_written_tokens, reasoning_tokens, cost, currency, cost_source, used_at)
values (
    %(run_id)s, '(poll)', 0, 1, %(task_uid)s, %(agent)s, %(tool)s, %(model)s, %(input_tokens)s, %(output_tokens)s,
    %(cache_read_tokens)s, %(cache_written_tokens)s, %(reasoning_tokens)s, %(cost)s, %(currency)s, %(cost_source)s,
    ordinaut.now())
on conflict (run_id, step, iteration, attempt) do nothing;

-- name: read_span
-- From an instant, or from so long ago, until now.
select coalesce(%(since)s::timestamptz, ordinaut.now() - %(within)s::interval) as since, ordinaut.now() as until;

-- name: sum_usage
-- What was used up since an instant, by one of six things and by currency. A label is that of the revision that the run is pinned
-- to; of a poll that started none, that of the task as it is.
select name, currency, count(*) as calls, sum(input_tokens)::bigint as input_tokens,
    sum(output_tokens)::bigint as output_tokens, sum(cache_read_tokens)::bigint as cache_read_tokens,
    sum(cache_written_tokens)::bigint as cache_written_tokens, sum(reasoning_tokens)::bigint as reasoning_tokens,
    coalesce(sum(cost), 0) as cost, coalesce(sum(cost) filter (where cost_source = 'local'), 0) as local_cost
from (
    select u.*, case %(by)s
        when 'task' then case p.namespace when 'default' then p.name else p.namespace || '/' || p.name end
        when 'agent' then coalesce(u.agent, '')
        when 'tool' then u.tool
        when 'model' then u.model
        when 'label' then coalesce((
            select b.body -> 'labels' ->> %(label)s
            from ordinaut.spec_revision b
            left join ordinaut.run r on r.run_id = u.run_id and r.revision_id = b.revision_id
            where b.uid = u.task_uid
            order by r.revision_id is null, b.revision_id desc
            limit 1), '')
        else to_char(u.used_at at time zone 'UTC', 'YYYY-MM-DD') end as name
    from ordinaut.call_usage u
    join ordinaut.spec p on p.uid = u.task_uid
    where u.used_at >= %(since)s) used
group by name, currency
order by name, currency;

-- name: follow_usage
-- What calls used up since an instant, those included that a reader has seen before: what is written at the same time may be
-- committed in any order.
select run_id, step, iteration, attempt, agent, model, input_tokens, output_tokens, cache_read_tokens, cache_written_tokens,
    reasoning_tokens, cost, currency, used_at
from ordinaut.call_usage
where used_at >= %(since)s
order by used_at;

-- name: list_calls
-- Calls that were over since an instant, the oldest first, from a place in that order on, with what their tries used up. What
-- a rerun took over is told of the run that made it, and a step that was left out made none. Reads every result that is
-- kept: nothing is indexed by when it was written, which would slow down who writes.
with made as (
    select run_id, step, iteration, uses as tool, outcome, attempt, reused_at is not null as is_reused, input, output, size,
        started_at, finished_at
    from ordinaut.step_result
    where finished_at >= %(since)s and iteration >= 0 and lease_epoch > 0 and outcome <> 'skipped'
    union all
    select u.run_id, u.step, u.iteration, min(u.tool), null, max(u.attempt), false, null, null, null, null, max(u.used_at)
    from ordinaut.call_usage u
    where u.used_at >= %(since)s and not exists (
        select from ordinaut.step_result s
        where s.run_id = u.run_id and s.step = u.step and s.iteration = u.iteration and s.lease_epoch > 0)
    group by u.run_id, u.step, u.iteration
), page as (
    select m.*, p.namespace, p.name, b.body, r.trigger, r.params, r.occurrence_for, r.revision_id as revision
    from made m
    join ordinaut.run r on r.run_id = m.run_id
    join ordinaut.spec p on p.uid = r.task_uid
    join ordinaut.spec_revision b on b.uid = r.task_uid and b.revision_id = r.revision_id
    where (%(task_uid)s::bigint is null or r.task_uid = %(task_uid)s)
        and (%(after_at)s::timestamptz is null
            or (m.finished_at, m.run_id, m.step, m.iteration)
                > (%(after_at)s, %(after_run)s::uuid, %(after_step)s::text, %(after_item)s::integer))
    order by m.finished_at, m.run_id, m.step, m.iteration
    limit %(limit)s
)
select g.run_id, g.step, g.iteration as item, g.namespace, g.name, g.body -> 'labels' as labels, g.body ->> 'agent' as agent,
    g.trigger, g.params, g.occurrence_for, g.revision, g.tool, g.outcome, g.attempt as attempts, g.is_reused,
    encode(sha256(convert_to(g.input::text, 'UTF8')), 'hex') as input_digest,
    coalesce(octet_length(g.input::text), 0) as input_bytes,
    encode(sha256(convert_to(g.output::text, 'UTF8')), 'hex') as output_digest, coalesce(g.size, 0) as output_bytes,
    case when %(with_input)s then g.input end as input, g.started_at, g.finished_at,
    coalesce(u.usage, '[]') as usage
from page g
left join lateral (
    select jsonb_agg(jsonb_build_object(
        'attempt', u.attempt, 'model', nullif(u.model, ''), 'input_tokens', u.input_tokens, 'output_tokens', u.output_tokens,
        'cache_read_tokens', u.cache_read_tokens, 'cache_written_tokens', u.cache_written_tokens,
        'reasoning_tokens', u.reasoning_tokens, 'cost', u.cost::text, 'currency', u.currency,
        'is_local', coalesce(u.cost_source = 'local', false)) order by u.attempt) as usage
    from ordinaut.call_usage u
    where u.run_id = g.run_id and u.step = g.step and u.iteration = g.iteration) u on true
order by g.finished_at, g.run_id, g.step, g.iteration;
