-- What of a trace elsewhere asked for a run, or told of an event: spans are linked to it, and nothing else looks at it.

alter table ordinaut.run add column trace_link text;
comment on column ordinaut.run.trace_link is 'W3C traceparent of the request that asked for the run';
alter table ordinaut.event add column trace_link text;
comment on column ordinaut.event.trace_link is 'as that of a run, of the request that told of the event';
