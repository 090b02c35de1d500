-- A batch of the client's newest upload, for the run that asks; asked again, the same. Paths that cannot be read are an error
-- here, and no batch is there that would never end.
with checked as (
    select count(t.path::jsonpath) as paths
    from jsonb_array_elements(%(workflows)s::jsonb) as w(workflow)
    cross join lateral jsonb_each_text(w.workflow -> 'takes') as t(name, path)
), newest as (
    select upload_id from upload, checked where client = %(client)s and problem is null and paths >= 0 order by upload_id desc limit 1
), made as (
    insert into batch (client, upload_id, workflows, run)
    select %(client)s, n.upload_id, %(workflows)s, %(run)s from newest n
    on conflict (run) do nothing
    returning batch_id, upload_id, workflows
), states as (
    insert into row_state (batch_id, line, position, workflow, state)
    select m.batch_id, r.line, w.position, w.workflow ->> 'name', case w.position when 1 then 'ready' else 'waiting' end
    from made m
    join raw_row r on r.upload_id = m.upload_id
    cross join lateral jsonb_array_elements(m.workflows) with ordinality as w(workflow, position)
)
select m.batch_id, u.file, u.rows from made m join upload u on u.upload_id = m.upload_id
union all
select b.batch_id, u.file, u.rows from batch b join upload u on u.upload_id = b.upload_id where b.run = %(run)s
