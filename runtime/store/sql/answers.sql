-- Answers of tools that steps may reuse.

-- name: find_answer
select output, size, made_at from ordinaut.answer
where key = %(key)s and kept_until > ordinaut.now() and made_at > ordinaut.now() - %(ttl)s::interval;

-- name: keep_answer
-- The newer one stays.
insert into ordinaut.answer (key, output, size, made_at, kept_until)
values (%(key)s, %(output)s, %(size)s, ordinaut.now(), ordinaut.now() + %(ttl)s::interval)
on conflict (key) do update set output = excluded.output, size = excluded.size, made_at = excluded.made_at,
    kept_until = excluded.kept_until
where answer.made_at < excluded.made_at;

-- name: forget_answers
with over as (
    select key from ordinaut.answer where kept_until <= ordinaut.now() order by kept_until limit %(limit)s
    for update skip locked
)
delete from ordinaut.answer a where a.key = any(array(select o.key from over o));
