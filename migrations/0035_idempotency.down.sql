-- A request that is repeated across this has its effect again.
drop table ordinaut.api_request;
