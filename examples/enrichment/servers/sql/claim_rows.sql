-- Rows that are ready, in chunks, for the run that asks; whoever else asks at the same moment gets others.
with picked as materialized (
    select s.batch_id, s.line, s.position, s.workflow
    from row_state s
    join batch b on b.batch_id = s.batch_id and b.paused_at is null
    where s.workflow = %(workflow)s and s.state = 'ready' and s.due_at <= now()
        -- A run that asks again, after a crash, has claimed already.
        and not exists (select from chunk c where c.run = %(run)s and c.workflow = %(workflow)s)
    order by s.due_at, s.batch_id, s.line
    limit %(most)s
    for update of s skip locked
), numbered as (
    select *, concat_ws('/', %(run)s, workflow, batch_id, (row_number() over (partition by batch_id order by line) - 1) / %(chunk_rows)s) as name
    from picked
), chunks as (
    insert into chunk (chunk, batch_id, workflow, run, lines)
    select name, batch_id, workflow, %(run)s, array_agg(line order by line) from numbered group by name, batch_id, workflow
)
update row_state s
set state = 'claimed', attempts = s.attempts + 1, chunk = n.name, due_at = now() + %(lease)s, error = null
from numbered n
where s.batch_id = n.batch_id and s.line = n.line and s.position = n.position
