-- {table} anew, out of all that is kept; in one transaction, so that readers see the old one or the new one. Of rows of a client
-- that say the same in {unique}, the first counts. An upload is told of by the newest of its batches that came to an end, if any did.
create table {table} as
select distinct on (client, key) {names}, client, file, line, is_complete
from (
    select c.*, coalesce(nullif(c.{unique}::text, ''), concat('line ', c.line, ' of upload ', c.upload_id)) as key
    from (
        select b.client, b.upload_id, u.file, r.line, {columns},
            not exists (
                select from row_state s
                where s.batch_id = b.batch_id and s.line = r.line and s.state <> 'done') as is_complete
        from (
            select distinct on (upload_id) * from batch order by upload_id, finishes > 0 desc, batch_id desc) b
        join upload u on u.upload_id = b.upload_id
        join raw_row r on r.upload_id = b.upload_id
        cross join document_of(b.batch_id, r.line) as d(document)) c) k
order by client, key, upload_id, line
