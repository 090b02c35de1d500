-- The one way out of a claim, for workers at once and for providers whenever they answer. A good answer counts once, whoever
-- asked for it and however often it comes; a failure counts only while the row waits for this very chunk. Rows that were not in
-- the chunk are not answered by it. A batch that is over is finished once more when a row that was given up is answered.
with answer as materialized (
    select distinct on (a."row") c.batch_id, c.workflow, c.chunk, a.*
    from chunk c
    cross join lateral jsonb_to_recordset(%(answers)s::jsonb) as a("row" integer, output jsonb, error text, permanent boolean)
    where c.chunk = %(chunk)s and a."row" = any(c.lines)
    order by a."row", a.output is null
), told as materialized (
    select s.batch_id, s.line, s.position, s.attempts, a.workflow, a.chunk, a.output, a.error,
        b.workflows -> (s.position - 1) as says, coalesce(a.permanent, false) as is_permanent
    from answer a
    join batch b on b.batch_id = a.batch_id
    join row_state s on s.batch_id = a.batch_id and s.line = a."row" and s.workflow = a.workflow
    where s.state <> 'done' and (
        a.output is not null or s.chunk = a.chunk and s.state in ('claimed', 'in_progress'))
    order by s.batch_id, s.line
    for update of s
), kept as (
    insert into raw_answer (batch_id, line, workflow, input, output, chunk, cost)
    select t.batch_id, t.line, t.workflow, inputs_of(t.batch_id, t.line, t.position), t.output, t.chunk, %(cost)s
    from told t where t.output is not null
    on conflict (batch_id, line, workflow) do nothing
), moved as (
    update row_state s
    set state = case
            when t.output is not null then 'done'
            when t.is_permanent or t.attempts >= (t.says ->> 'attempts')::integer then 'dead'
            else 'ready' end,
        error = t.error, chunk = t.chunk,
        due_at = case when t.output is null then now() + %(pause)s * power(2, t.attempts - 1) else s.due_at end
    from told t
    where s.batch_id = t.batch_id and s.line = t.line and s.position = t.position
    returning s.state
), opened as (
    update batch b set finished_at = null
    where b.finished_at is not null and b.batch_id in (select batch_id from told where output is not null)
), unlocked as (
    update row_state s
    set state = 'ready', due_at = now()
    from told t
    where s.batch_id = t.batch_id and s.line = t.line and s.position = t.position + 1 and s.state = 'waiting'
        and t.output is not null
)
select count(*) filter (where state = 'done') as done, count(*) filter (where state = 'ready') as retried,
    count(*) filter (where state = 'dead') as dead
from moved
