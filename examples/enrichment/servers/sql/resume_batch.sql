update batch set paused_at = null where batch_id = %(batch)s
returning batch_id as batch
