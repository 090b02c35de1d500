-- name: find_embedded_database
select 1 from pg_database where datname = 'ordinaut';

-- name: create_embedded_database
-- Once: initdb makes only PostgreSQL's own databases.
create database ordinaut;
