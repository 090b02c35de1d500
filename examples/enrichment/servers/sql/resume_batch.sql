update batch set paused_at = null where batch_id = %(batch)s and paused_at is not null
