-- Everything that the warehouse keeps. Every statement may be repeated: the first run makes it, later ones change nothing.

create extension if not exists vector;      -- only a superuser may: `ordinaut up` has done it (extensions: [vector])
create extension if not exists unaccent;
create extension if not exists pg_trgm;

create schema if not exists ops;
create schema if not exists raw;
create schema if not exists core;
create schema if not exists search;

-- OPS: what was loaded, what was checked, how far each layer is, and what each source looks like.

create table if not exists ops.load (
  load       bigint generated always as identity primary key,
  layer      text not null check (layer in ('raw', 'core', 'search')),
  source     text not null,
  run        text not null,                 -- of Ordinaut: a run that is cut off and goes on has one load
  state      text not null default 'running' check (state in ('running', 'passed', 'failed')),
  since      text,                          -- the watermark that it began with
  until      text,                          -- and the one that it leaves, if it passes
  expected   bigint,
  began_at   timestamptz not null default now(),
  ended_at   timestamptz,
  unique (layer, source, run)
);

-- A batch and its row here are one transaction: a batch that is repeated finds its row, and does nothing.
create table if not exists ops.batch (
  load       bigint not null references ops.load,
  number     integer not null,
  rows_read  integer not null,
  rows_new   integer not null,
  rows_changed integer not null,
  done_at    timestamptz not null default now(),
  primary key (load, number)
);

create table if not exists ops.check_result (
  load     bigint not null references ops.load,
  name     text not null,
  passed   boolean not null,
  found    text not null,
  expected text not null,
  primary key (load, name)
);

create table if not exists ops.watermark (
  layer  text not null,
  source text not null,
  value  text not null,
  load   bigint not null references ops.load,
  primary key (layer, source)
);

create table if not exists ops.source_schema (
  source      text primary key,
  fields      jsonb not null,               -- {name: type}
  accepted_at timestamptz not null default now()
);

create table if not exists ops.drift (
  source  text not null,
  digest  text not null,                    -- of the whole difference: it is told once
  change  text not null check (change in ('added', 'removed', 'retyped')),
  field   text not null,
  before  text,
  after   text,
  breaks  boolean not null,                 -- whether the pipelines read this field
  seen_at timestamptz not null default now(),
  primary key (source, digest, field)
);

-- RAW: records as their source gave them. `seq` grows with each real change, and is what CORE goes by.

create sequence if not exists raw.change;
create table if not exists raw.record (
  source     text not null,
  id         text not null,
  body       jsonb not null,
  written_at timestamptz not null,
  seq        bigint not null default nextval('raw.change'),
  load       bigint not null,
  primary key (source, id)
) partition by list (source);
create table if not exists raw.odoo_partner partition of raw.record for values in ('odoo.partner');
create table if not exists raw.odoo_lead partition of raw.record for values in ('odoo.lead');
create table if not exists raw.partner_network_opportunity partition of raw.record for values in ('partner_network.opportunity');
create index if not exists record_by_seq on raw.record (seq);

-- CORE: typed, and with names resolved.

create table if not exists core.country (code text primary key, name text not null unique);
insert into core.country values ('DE', 'germany'), ('GB', 'united kingdom'), ('FR', 'france'), ('RO', 'romania'), ('MD', 'moldova'),
  ('IT', 'italy'), ('ES', 'spain'), ('NL', 'netherlands'), ('PL', 'poland'), ('US', 'united states') on conflict do nothing;

create table if not exists core.public_mail (domain text primary key);
insert into core.public_mail values ('postbox.example'), ('freemail.example'), ('gmail.com'), ('googlemail.com'), ('outlook.com'),
  ('hotmail.com'), ('live.com'), ('msn.com'), ('yahoo.com'), ('icloud.com'), ('me.com'), ('aol.com'), ('proton.me'), ('protonmail.com'),
  ('gmx.de'), ('gmx.net'), ('web.de'), ('orange.fr'), ('libero.it'), ('mail.ru'), ('yandex.ru') on conflict do nothing;

-- A name without case, accents, punctuation, legal form and article: "The Pélagos Foods S.r.l." is "pelagos foods". Letters of
-- other scripts stay as they are.
create or replace function core.name_key(name text) returns text language sql stable parallel safe as $$
  select trim(regexp_replace(
    ' ' || regexp_replace(
      regexp_replace(replace(lower(public.unaccent(coalesce(name, ''))), '&', ' and '), '\.', '', 'g'),
      '[^a-z0-9\u0080-\U0010ffff]+', ' ', 'g') || ' ',
    '(^ the )|( (gmbh and co kg|gmbh|ag|kg|ltd|limited|plc|sas|sarl|srl|sa|spa|sl|bv|nv|sp z oo|inc|llc|corp|group))+ $', ' ', 'g'))
$$;

-- The domain of an address of the web or of mail, unless everybody has mail there.
create or replace function core.domain_of(address text) returns text language sql stable parallel safe as $$
  select domain from (select nullif(regexp_replace(regexp_replace(lower(trim(address)),
    '^(https?://)?(www\.)?(.*@)?', ''), '[/?#:].*$', ''), '') as domain) as found
  where domain like '%.%' and domain not in (select public_mail.domain from core.public_mail)
$$;

create or replace function core.country_of(text) returns text language sql stable parallel safe as $$
  select code from core.country where code = upper($1) or name = lower($1)
$$;

-- Everybody who has a name somewhere: partners of the CRM, leads typed by hand, customers of the network.
create table if not exists core.party (
  source      text not null,
  id          text not null,
  name        text not null,
  name_key    text not null,
  country     text,
  domain      text,
  parent      text,                         -- the partner that a person belongs to
  is_company  boolean not null,
  company_key text,                         -- what resolution found; null for a person without a company
  primary key (source, id)
);
create index if not exists party_by_name on core.party (name_key, country);

create table if not exists core.company (
  company_key text primary key,
  name        text not null,
  name_key    text not null,
  country     text,
  domain      text,
  parties     integer not null
);

create table if not exists core.lead (
  id          text primary key,
  partner     text,
  title       text not null,
  description text not null,
  stage       text,
  amount      numeric,
  closes_on   date,
  apn         text,                         -- the opportunity that the CRM already names
  is_active   boolean not null,
  company_key text
);

create table if not exists core.opportunity (
  id          text primary key,
  title       text not null,
  description text not null,
  stage       text,
  amount      numeric,
  closes_on   date,
  company_key text
);

-- SEARCH: what things are about, as vectors; and what belongs together.

create table if not exists search.document (
  key       text primary key,               -- lead:17, opportunity:O42
  kind      text not null,
  id        text not null,
  headline  text not null,
  body      text not null,
  model     text not null,
  embedding vector not null
);

-- What each lead and opportunity is about, in words.
create or replace view search.wanted as
select key, kind, id, headline, body from (
  select 'lead:' || lead.id as key, 'lead' as kind, lead.id, concat_ws('. ', company.name, lead.title) as headline, lead.description as body
  from core.lead left join core.company using (company_key) where lead.is_active
  union all
  select 'opportunity:' || opportunity.id, 'opportunity', opportunity.id,
    concat_ws('. ', company.name, opportunity.title), opportunity.description
  from core.opportunity left join core.company using (company_key)
) as document;

create table if not exists search.match (
  opportunity text primary key,
  lead        text not null,
  score       real not null,
  decision    text not null check (decision in ('proposed', 'unsure')),
  reasons     jsonb not null
);

-- Written back, or certainly about to be: what is here is never proposed again.
create table if not exists search.written (
  opportunity text primary key,
  lead        text not null unique,
  run         text not null,
  written_at  timestamptz not null default now()
);
