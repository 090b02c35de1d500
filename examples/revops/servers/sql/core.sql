-- name: no_more_writers
-- Wait for whoever is landing records: numbers are given out before they are committed, and what is committed after a later
-- number was read would stay behind the watermark for good.
lock table raw.record in share mode;

-- name: core_pages
-- What changed since the watermark, in batches.
select (row_number() over (order by min(seq)))::integer as number, min(seq) - 1 as after, max(seq) as upto, count(*) as records
from (
  select seq, (row_number() over (order by seq) - 1) / %(size)s as page from raw.record where seq > %(since)s
) as changed
group by page order by page;

-- name: refine_partners
insert into core.party (source, id, name, name_key, country, domain, parent, is_company)
select 'odoo.partner', id, body ->> 'name', core.name_key(body ->> 'name'), core.country_of(body ->> 'country_code'),
  coalesce(core.domain_of(nullif(body ->> 'website', 'false')), core.domain_of(nullif(body ->> 'email', 'false'))),
  nullif(body -> 'parent_id' ->> 0, 'false'), (body ->> 'is_company')::boolean
from raw.odoo_partner where seq > %(after)s and seq <= %(upto)s
on conflict (source, id) do update set name = excluded.name, name_key = excluded.name_key, country = excluded.country,
  domain = excluded.domain, parent = excluded.parent, is_company = excluded.is_company;

-- name: refine_lead_parties
-- Companies that somebody typed into a lead, instead of choosing a partner.
insert into core.party (source, id, name, name_key, country, domain, is_company)
select 'odoo.lead', id, body ->> 'partner_name', core.name_key(body ->> 'partner_name'), core.country_of(body ->> 'country_code'),
  core.domain_of(nullif(body ->> 'email_from', 'false')), true
from raw.odoo_lead where seq > %(after)s and seq <= %(upto)s and coalesce(body ->> 'partner_name', 'false') not in ('', 'false')
on conflict (source, id) do update set name = excluded.name, name_key = excluded.name_key, country = excluded.country,
  domain = excluded.domain;

-- name: drop_lead_parties
-- A company that nobody has typed into its lead any more.
delete from core.party using raw.odoo_lead where party.source = 'odoo.lead' and party.id = odoo_lead.id
  and seq > %(after)s and seq <= %(upto)s and coalesce(body ->> 'partner_name', 'false') in ('', 'false');

-- name: refine_leads
insert into core.lead (id, partner, title, description, stage, amount, closes_on, apn, is_active)
select id, nullif(body -> 'partner_id' ->> 0, 'false'), body ->> 'name', coalesce(nullif(body ->> 'description', 'false'), ''),
  body -> 'stage_id' ->> 1, (body ->> 'expected_revenue')::numeric, nullif(body ->> 'date_deadline', 'false')::date,
  nullif(body ->> 'x_apn_opportunity', 'false'), (body ->> 'active')::boolean
from raw.odoo_lead where seq > %(after)s and seq <= %(upto)s
on conflict (id) do update set partner = excluded.partner, title = excluded.title, description = excluded.description,
  stage = excluded.stage, amount = excluded.amount, closes_on = excluded.closes_on, apn = excluded.apn,
  is_active = excluded.is_active;

-- name: refine_customers
insert into core.party (source, id, name, name_key, country, domain, is_company)
select 'partner_network.opportunity', id, body ->> 'Customer Company Name', core.name_key(body ->> 'Customer Company Name'),
  core.country_of(body ->> 'Country'), core.domain_of(body ->> 'Customer Website'), true
from raw.partner_network_opportunity where seq > %(after)s and seq <= %(upto)s
on conflict (source, id) do update set name = excluded.name, name_key = excluded.name_key, country = excluded.country,
  domain = excluded.domain;

-- name: refine_opportunities
insert into core.opportunity (id, title, description, stage, amount, closes_on)
select id, body ->> 'Partner Project Title', coalesce(body ->> 'Customer Business Problem', ''), body ->> 'Stage',
  nullif(body ->> 'Estimated AWS Monthly Recurring Revenue', '')::numeric, nullif(body ->> 'Target Close Date', '')::date
from raw.partner_network_opportunity where seq > %(after)s and seq <= %(upto)s
on conflict (id) do update set title = excluded.title, description = excluded.description, stage = excluded.stage,
  amount = excluded.amount, closes_on = excluded.closes_on;

-- name: resolve_parties
-- Which company a party is. A domain says it best; a name without one is that of the only domain that this name has in its
-- country; else the name in its country is the company. The result depends on the parties alone, not on their order.
with by_name as (
  select name_key, country, min(domain) as domain from core.party
  where is_company and domain is not null group by name_key, country having count(distinct domain) = 1
), companies as (
  select party.source, party.id,
    coalesce(party.domain, by_name.domain, party.name_key || '|' || coalesce(party.country, '')) as company_key
  from core.party left join by_name on by_name.name_key = party.name_key and by_name.country is not distinct from party.country
  where party.is_company
), resolved as (
  select source, id, company_key from companies
  union all
  select person.source, person.id, coalesce(parent.company_key, person.domain)
  from core.party as person left join companies as parent on parent.source = person.source and parent.id = person.parent
  where not person.is_company
)
update core.party set company_key = resolved.company_key from resolved
where party.source = resolved.source and party.id = resolved.id and party.company_key is distinct from resolved.company_key;

-- name: resolve_companies
-- A company's name is the one that most of its parties use; of names that as many use, the first.
with named as (
  select company_key, name, name_key, country, max(max(domain)) over companies as domain, sum(count(*)) over companies as parties,
    row_number() over (partition by company_key order by count(*) desc, name, name_key, country) as place
  from core.party where is_company group by company_key, name, name_key, country
  window companies as (partition by company_key)
)
insert into core.company (company_key, name, name_key, country, domain, parties)
select company_key, name, name_key, country, domain, parties from named where place = 1
on conflict (company_key) do update set name = excluded.name, name_key = excluded.name_key, country = excluded.country,
  domain = excluded.domain, parties = excluded.parties
where (company.name, company.name_key, company.country, company.domain, company.parties)
  is distinct from (excluded.name, excluded.name_key, excluded.country, excluded.domain, excluded.parties);

-- name: drop_companies
delete from core.company where not exists (select from core.party where party.company_key = company.company_key and is_company);

-- name: resolve_leads
update core.lead set company_key = resolved.company_key
from (
  select lead.id, party.company_key from core.lead left join core.party
    on party.source = case when lead.partner is null then 'odoo.lead' else 'odoo.partner' end
    and party.id = coalesce(lead.partner, lead.id)
) as resolved
where resolved.id = lead.id and lead.company_key is distinct from resolved.company_key;

-- name: resolve_opportunities
update core.opportunity set company_key = party.company_key
from core.party
where party.source = 'partner_network.opportunity' and party.id = opportunity.id
  and opportunity.company_key is distinct from party.company_key;

-- name: core_checks
-- What must hold before anything is searched: name, whether it holds, what was found, what was expected.
select 'every lead arrived' as name, found = expected as passed, found::text, expected::text as expected
from (select (select count(*) from core.lead) as found, (select count(*) from raw.odoo_lead) as expected) as counted
union all
select 'every opportunity arrived', found = expected, found::text, expected::text
from (select (select count(*) from core.opportunity) as found, (select count(*) from raw.partner_network_opportunity) as expected) as counted
union all
select 'every partner arrived', found = expected, found::text, expected::text
from (select (select count(*) from core.party where source = 'odoo.partner') as found, (select count(*) from raw.odoo_partner) as expected) as counted
union all
select 'no title is empty', count(*) = 0, count(*)::text, '0'
from (select title from core.lead union all select title from core.opportunity) as titled where trim(title) = ''
union all
select 'no company is without a name', count(*) = 0, count(*)::text, '0' from core.party where is_company and name_key = ''
union all
select 'every lead''s partner is there', count(*) = 0, count(*)::text, '0'
from core.lead where partner is not null
  and not exists (select from core.party where party.source = 'odoo.partner' and party.id = lead.partner)
union all
select 'every person''s company is there', count(*) = 0, count(*)::text, '0'
from core.party as person where person.parent is not null
  and not exists (select from core.party where party.source = person.source and party.id = person.parent)
union all
select 'every opportunity has a company', count(*) = 0, count(*)::text, '0'
from core.opportunity where not exists (select from core.company where company.company_key = opportunity.company_key);
