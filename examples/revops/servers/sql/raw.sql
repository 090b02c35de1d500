-- name: land
-- What is new or different. A record that is the same is left alone, so that nothing after this has to look at it.
with given as (
  select distinct on (id) id, body, written_at
  from jsonb_to_recordset(%(records)s) as given (id text, body jsonb, written_at timestamptz)
  order by id, written_at desc
), known as (
  select record.id from raw.record join given using (id) where source = %(source)s
), written as (
  insert into raw.record (source, id, body, written_at, load)
  select %(source)s, id, body, written_at, %(load)s from given
  on conflict (source, id) do update
    set body = excluded.body, written_at = excluded.written_at, seq = nextval('raw.change'), load = excluded.load
    where raw.record.body is distinct from excluded.body
  returning id
)
select (select count(*) from given)::integer as rows_read,
  count(*) filter (where known.id is null)::integer as rows_new, count(known.id)::integer as rows_changed
from written left join known using (id);

-- name: raw_nulls
-- Records of a source that lack what later layers need.
select count(*) from raw.record where source = %(source)s and load = %(load)s
  and exists (select from unnest(%(needed)s::text[]) as name where coalesce(body ->> name, '') in ('', 'false'));
