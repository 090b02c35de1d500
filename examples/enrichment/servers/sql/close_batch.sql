update batch set finished_at = now(), finishes = finishes + 1
where batch_id = %(batch)s and finishes = %(finishes)s and finished_at is null
    -- It may have been redriven since somebody looked.
    and not exists (
        select from row_state s where s.batch_id = batch.batch_id and s.state in ('ready', 'claimed', 'in_progress'))
