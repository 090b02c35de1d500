-- How often agents called is forgotten.
drop table ordinaut.rate_turn;
drop table ordinaut.rate_bucket;
