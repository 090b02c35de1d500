-- Dead rows of a batch are tried again from where they died, as if for the first time.
with again as (
    update row_state set state = 'ready', attempts = 0, due_at = now(), error = null
    where batch_id = %(batch)s and state = 'dead'
    returning batch_id
), opened as (
    update batch set finished_at = null where batch_id in (select batch_id from again)
)
select b.batch_id as batch, (select count(*) from again) as rows from batch b where b.batch_id = %(batch)s
