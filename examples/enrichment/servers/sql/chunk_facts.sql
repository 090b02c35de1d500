select b.client, b.batch_id as batch from chunk c join batch b on b.batch_id = c.batch_id where c.chunk = %(chunk)s
