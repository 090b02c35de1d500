-- name: find_embedded_database
select 1 from pg_database where datname = 'ordinaut';

-- name: create_embedded_database
-- Once: initdb makes only PostgreSQL's own databases.
create database ordinaut;

-- name: find_database_and_role
select exists (select from pg_database where datname = %(name)s), exists (select from pg_roles where rolname = %(name)s);

-- name: word_role
-- Names cannot be parameters of these, so the server writes them, and quotes what must be quoted.
select format('%%s role %%I login password %%L', %(verb)s::text, %(name)s::text, %(password)s::text);

-- name: word_database
select format('create database %%I owner %%I', %(name)s::text, %(name)s::text);

-- name: word_privacy
-- Roles of other databases have nothing to look for in this one.
select format('revoke all on database %%I from public', %(name)s::text);

-- name: word_extension
select format('create extension if not exists %%I', %(name)s::text);
