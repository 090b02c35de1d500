-- What is claimed ends; nothing more is.
update batch set paused_at = now() where batch_id = %(batch)s and paused_at is null
