-- Before a provider is asked: it may answer at once. The rows are given up when no answer came by the time that the blueprint says.
update row_state s
set state = 'in_progress',
    due_at = now() + (b.workflows -> (s.position - 1) ->> 'answer_within')::interval
from batch b
where b.batch_id = s.batch_id and s.chunk = %(chunk)s and s.state in ('claimed', 'in_progress')
