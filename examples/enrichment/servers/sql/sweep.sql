-- Rows whose worker or provider never answered are ready again, or dead where that was the last attempt.
with overdue as (
    select s.batch_id, s.line, s.position, b.workflows -> (s.position - 1) as says
    from row_state s
    join batch b on b.batch_id = s.batch_id
    where s.state in ('claimed', 'in_progress') and s.due_at <= now()
    order by s.batch_id, s.line
    for update of s skip locked
), moved as (
    update row_state s
    set state = case when s.attempts >= (o.says ->> 'attempts')::integer then 'dead' else 'ready' end,
        error = 'no answer came', due_at = now()
    from overdue o
    where s.batch_id = o.batch_id and s.line = o.line and s.position = o.position
    returning s.state
)
select count(*) filter (where state = 'ready') as asked_again, count(*) filter (where state = 'dead') as dead from moved
