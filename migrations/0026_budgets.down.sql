-- What agents spend is no longer bounded.
drop index ordinaut.call_usage_by_agent;
drop table ordinaut.budget_run;
drop table ordinaut.budget_hold;
