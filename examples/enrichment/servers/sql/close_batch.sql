update batch set finished_at = now(), finishes = finishes + 1
where batch_id = %(batch)s and finishes = %(finishes)s and finished_at is null
