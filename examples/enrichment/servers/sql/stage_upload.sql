-- A file, once: no row is given back where it is staged already.
insert into upload (client, file, digest, rows, problem)
values (%(client)s, %(file)s, %(digest)s, %(rows)s, %(problem)s)
on conflict (client, digest) do nothing
returning upload_id
