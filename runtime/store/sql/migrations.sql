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
alter table public.ordinaut_migration add column if not exists breaking boolean not null default false;
comment on column public.ordinaut_migration.breaking is 'runtimes that do not know it cannot go on';

-- name: find_migration_ledger
select to_regclass('public.ordinaut_migration');

-- name: list_applied_migrations
-- An older program made the ledger without the last column, and nothing that breaks.
select number, name, checksum, applied_at, coalesce((to_jsonb(m) ->> 'breaking')::boolean, false) as breaking
from public.ordinaut_migration m order by number;

-- name: record_migration
insert into public.ordinaut_migration (number, name, checksum, breaking)
values (%(number)s, %(name)s, %(checksum)s, %(breaking)s);

-- name: forget_migration
delete from public.ordinaut_migration where number = %(number)s;
