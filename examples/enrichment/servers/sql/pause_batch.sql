-- What is claimed ends; nothing more is.
update batch set paused_at = coalesce(paused_at, now()) where batch_id = %(batch)s
returning batch_id as batch
