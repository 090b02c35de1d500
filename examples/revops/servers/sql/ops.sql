-- name: begin_load
-- The load of this run: opened once, found again by whoever goes on with the run.
insert into ops.load (layer, source, run, since)
values (%(layer)s, %(source)s, %(run)s, (select value from ops.watermark where layer = %(layer)s and source = %(source)s))
on conflict (layer, source, run) do update set run = excluded.run
returning load, since;

-- name: expect
update ops.load set expected = %(expected)s, until = case
    when layer = 'raw' and %(until)s::text is not null
      then least(%(until)s::text collate "C", to_char(now() at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS'))
    else %(until)s::text end
where load = %(load)s;

-- name: batch_done
select rows_read, rows_new, rows_changed from ops.batch where load = %(load)s and number = %(number)s;

-- name: note_batch
insert into ops.batch (load, number, rows_read, rows_new, rows_changed)
values (%(load)s, %(number)s, %(rows_read)s, %(rows_new)s, %(rows_changed)s);

-- name: totals
select count(*) as batches, coalesce(sum(rows_read), 0)::bigint as rows_read, coalesce(sum(rows_new), 0)::bigint as rows_new,
  coalesce(sum(rows_changed), 0)::bigint as rows_changed
from ops.batch where load = %(load)s;

-- name: note_check
insert into ops.check_result (load, name, passed, found, expected)
values (%(load)s, %(name)s, %(passed)s, %(found)s, %(expected)s)
on conflict (load, name) do update set passed = excluded.passed, found = excluded.found, expected = excluded.expected;

-- name: end_load
update ops.load set state = %(state)s, ended_at = coalesce(ended_at, now()) where load = %(load)s
returning layer, source, since, until, expected;

-- name: move_watermark
-- Never backwards.
insert into ops.watermark (layer, source, value, load)
select layer, source, until, load from ops.load where load = %(load)s and until is not null
on conflict (layer, source) do update set value = excluded.value, load = excluded.load
where ops.watermark.value < excluded.value collate "C" or ops.watermark.layer <> 'raw';

-- name: accepted_schema
select fields, accepted_at from ops.source_schema where source = %(source)s;

-- name: accept_schema
insert into ops.source_schema (source, fields) values (%(source)s, %(fields)s)
on conflict (source) do update set fields = excluded.fields, accepted_at = now()
where ops.source_schema.fields <> excluded.fields;

-- name: note_drift
insert into ops.drift (source, digest, change, field, before, after, breaks)
values (%(source)s, %(digest)s, %(change)s, %(field)s, %(before)s, %(after)s, %(breaks)s)
on conflict do nothing;

-- name: recent_loads
select load.load, load.layer, load.source, load.state, load.since, load.until, load.expected,
  coalesce(sum(rows_read), 0)::bigint as rows_read, coalesce(sum(rows_new), 0)::bigint as rows_new,
  coalesce(sum(rows_changed), 0)::bigint as rows_changed
from ops.load left join ops.batch using (load)
group by load.load order by load.load desc limit %(limit)s;
