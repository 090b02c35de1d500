-- name: count_of_others
select count(*) from search.document where model <> %(model)s;

-- name: drop_index
drop index if exists search.lead_by_meaning;

-- name: forget_others
delete from search.document where model <> %(model)s;

-- name: search_pages
select (row_number() over (order by min(key)))::integer as number, min(key) as first, max(key) as last, count(*) as documents
from (
  select key, (row_number() over (order by key) - 1) / %(size)s as page
  from search.wanted left join search.document using (key)
  where (document.headline, document.body, document.model) is distinct from (wanted.headline, wanted.body, %(model)s)
) as pending
group by page order by page;

-- name: pending
select key, wanted.kind, wanted.id, wanted.headline, wanted.body from search.wanted left join search.document using (key)
where key between %(first)s and %(last)s
  and (document.headline, document.body, document.model) is distinct from (wanted.headline, wanted.body, %(model)s)
order by key;

-- name: keep_document
insert into search.document (key, kind, id, headline, body, model, embedding)
values (%(key)s, %(kind)s, %(id)s, %(headline)s, %(body)s, %(model)s, %(embedding)s::vector)
on conflict (key) do update set headline = excluded.headline, body = excluded.body, model = excluded.model, embedding = excluded.embedding;

-- name: drop_documents
delete from search.document where not exists (select from search.wanted where wanted.key = document.key);

-- name: search_checks
select 'every document has its vector' as name, found = expected as passed, found::text, expected::text as expected
from (select (select count(*) from search.wanted join search.document using (key, headline, body)) as found, (select count(*) from search.wanted) as expected) as counted
union all
select 'all vectors are of one model', count(distinct model) <= 1, count(distinct model)::text, 'at most 1' from search.document
union all
select 'no vector is empty', count(*) = 0, count(*)::text, '0' from search.document where vector_norm(embedding) = 0;

-- name: candidates
-- For each opportunity the leads that are nearest by meaning, found by the index, and those of its company; with everything
-- that the rules look at.
select opportunity.id as opportunity, lead.id as lead,
  1 - (about.embedding::{form} <=> document.embedding::{form}) as meaning,
  opportunity.company_key = lead.company_key as same_company,
  customer.domain is not null and known.domain is not null and customer.domain <> known.domain as other_domain,
  similarity(customer.name_key, known.name_key) as name,
  customer.country is not distinct from known.country as same_country,
  similarity(opportunity.title, lead.title) as title,
  abs(opportunity.closes_on - lead.closes_on) as days,
  opportunity.amount::float as monthly, lead.amount::float as amount,
  opportunity.title as opportunity_title, lead.title as lead_title
from core.opportunity
join search.document as about on about.key = 'opportunity:' || opportunity.id
left join core.party as customer on customer.source = 'partner_network.opportunity' and customer.id = opportunity.id
cross join lateral (
  (select key, id, embedding from search.document where kind = 'lead'
   order by embedding::{form} <=> about.embedding::{form} limit %(nearest)s)
  union
  (select near.key, near.id, near.embedding from core.lead as sibling join search.document as near on near.key = 'lead:' || sibling.id
   where sibling.company_key = opportunity.company_key)
) as document
join core.lead on lead.id = document.id
left join core.company as known on known.company_key = lead.company_key;

-- name: settled
-- Pairs that are decided: the CRM names them, or they were written. Neither is a candidate for anything else.
select apn as opportunity, id as lead from core.lead where apn is not null
union select opportunity, lead from search.written;

-- name: keep_match
insert into search.match (opportunity, lead, score, decision, reasons)
values (%(opportunity)s, %(lead)s, %(score)s, %(decision)s, %(reasons)s)
on conflict (opportunity) do update set lead = excluded.lead, score = excluded.score, decision = excluded.decision, reasons = excluded.reasons
where (match.lead, match.score, match.decision, match.reasons) is distinct from (excluded.lead, excluded.score, excluded.decision, excluded.reasons);

-- name: drop_matches
delete from search.match where not opportunity = any(%(kept)s);

-- name: proposals
select match.opportunity, match.lead::integer as lead, round(match.score::numeric, 3)::float as score, lead.title as lead_title,
  opportunity.title as opportunity_title, company.name as company
from search.match
join core.lead on lead.id = match.lead join core.opportunity on opportunity.id = match.opportunity
left join core.company on company.company_key = lead.company_key
where match.decision = 'proposed' and lead.apn is null
  and not exists (select from search.written where written.opportunity = match.opportunity or written.lead = match.lead)
order by match.score desc, match.opportunity limit %(limit)s;

-- name: note_written
insert into search.written (opportunity, lead, run) values (%(opportunity)s, %(lead)s, %(run)s) on conflict do nothing;
