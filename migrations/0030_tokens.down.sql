-- Every token of the web side is forgotten: those who use one are refused.
drop table ordinaut.api_token;
