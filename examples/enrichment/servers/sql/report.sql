-- How far each batch is that is not finished. A row that is dead in one workflow goes no further.
with counted as (
    select b.batch_id, s.line, bool_and(s.state = 'done') as is_done, bool_or(s.state = 'dead') as is_dead,
        bool_or(s.state in ('ready', 'claimed', 'in_progress')) as is_open
    from batch b
    -- An upload may have no rows.
    left join row_state s on s.batch_id = b.batch_id
    where b.finished_at is null
    group by b.batch_id, s.line
)
select b.batch_id as batch, b.client, b.run, u.file, b.finishes,
    count(*) filter (where c.is_done) as done, count(*) filter (where c.is_dead) as failed, count(c.line) as total,
    count(*) filter (where c.is_open) = 0 as is_finished
from counted c
join batch b on b.batch_id = c.batch_id
join upload u on u.upload_id = b.upload_id
group by b.batch_id, u.file
order by b.batch_id
