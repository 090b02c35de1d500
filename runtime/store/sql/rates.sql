-- name: take_turn
-- Seconds until a call may be made. Its tokens are taken from all of its buckets at once, also where there are none yet: then
-- it has its turn when they have come, and finds that again when it asks at that time.
-- Locks: the buckets, in order.
with kept as materialized (
    select ready_at from ordinaut.rate_turn
    where run_id = %(run_id)s and step = %(step)s and iteration = %(iteration)s and attempt = %(attempt)s
), used as (
    delete from ordinaut.rate_turn
    where run_id = %(run_id)s and step = %(step)s and iteration = %(iteration)s and attempt = %(attempt)s
        and ready_at <= ordinaut.now()
), wanted as materialized (
    select bucket, cost, per
    from unnest(%(buckets)s::text[], %(costs)s::interval[], %(pers)s::interval[]) as w(bucket, cost, per)
    where not exists (select from kept)
), taken as (
    insert into ordinaut.rate_bucket as b (bucket, spent_until)
    select bucket, ordinaut.now() + cost from wanted order by bucket
    on conflict (bucket) do update
    set spent_until = greatest(b.spent_until, ordinaut.now()) + (excluded.spent_until - ordinaut.now())
    returning b.bucket, b.spent_until
), turn as materialized (
    select max(t.spent_until - w.per) as ready_at from taken t join wanted w on w.bucket = t.bucket
), waits as (
    insert into ordinaut.rate_turn (run_id, step, iteration, attempt, ready_at)
    select %(run_id)s, %(step)s, %(iteration)s, %(attempt)s, ready_at from turn where ready_at > ordinaut.now()
)
select greatest(0, extract(epoch from coalesce(
    (select ready_at from kept), (select ready_at from turn)) - ordinaut.now()))::float8 as ready_in;

-- name: hold_back
-- A tool asked for a pause: nobody who shares this bucket has a turn before it is over.
insert into ordinaut.rate_bucket as b (bucket, spent_until)
values (%(bucket)s, ordinaut.now() + %(pause)s)
on conflict (bucket) do update set spent_until = greatest(b.spent_until, excluded.spent_until);
