-- What a run has claimed and nobody has answered, with what each row's workflow takes.
select c.chunk, c.workflow, b.client,
    jsonb_agg(inputs_of(s.batch_id, s.line, s.position) || jsonb_build_object('row', s.line) order by s.line) as rows
from chunk c
join batch b on b.batch_id = c.batch_id
join row_state s on s.chunk = c.chunk and s.state = 'claimed'
where c.run = %(run)s
group by c.chunk, c.workflow, b.client
order by c.chunk
