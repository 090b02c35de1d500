select s.batch_id as batch, b.client, s.line, s.workflow, s.attempts, s.error
from row_state s
join batch b on b.batch_id = s.batch_id
where s.state = 'dead'
order by s.batch_id, s.line
limit %(most)s
