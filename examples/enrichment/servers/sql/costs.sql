-- What providers asked, by client; each answer was paid for once.
select b.client, a.workflow, count(*) as answers, sum(a.cost) as cost
from raw_answer a
join batch b on b.batch_id = a.batch_id
where a.cost > 0
group by b.client, a.workflow
order by b.client, a.workflow
