-- name: lock_migrations
-- One migration at a time, whoever starts it; released with the transaction.
select pg_advisory_xact_lock(%(lock_id)s);

-- name: create_migration_ledger
create table if not exists public.ordinaut_migration (
    number integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);

-- name: find_migration_ledger
select to_regclass('public.ordinaut_migration');

-- name: list_applied_migrations
select number, name, checksum, applied_at from public.ordinaut_migration order by number;

-- name: record_migration
insert into public.ordinaut_migration (number, name, checksum) values (%(number)s, %(name)s, %(checksum)s);

-- name: forget_migration
delete from public.ordinaut_migration where number = %(number)s;
