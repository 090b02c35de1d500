-- Events from outside, the waits that they end, and the key that callback tokens are made with.
--
-- Theory of operation
--   An event is on record before anybody looks whom it concerns, and so is a wait before anybody looks whether its event
--   has come. Both commit first and look afterwards: whichever is later sees the other, and no wake-up is lost between
--   them. An event that nobody has looked at yet is not delivered, and whoever passes by looks.

create table ordinaut.event (
    event_no bigint generated always as identity primary key,
    source text not null,
    event_id text not null,
    topic text not null,
    data jsonb not null,
    arrived_at timestamptz not null default ordinaut.now(),
    delivered_at timestamptz,
    constraint event_is_single unique (source, event_id)
);
comment on column ordinaut.event.event_id is 'what the source calls it: the same event said again is no other';
comment on column ordinaut.event.delivered_at is 'when the waits that it ends were ended; null until somebody has looked';
create index event_by_topic on ordinaut.event (topic, event_no);
create index event_undelivered on ordinaut.event (event_no) where delivered_at is null;

alter table ordinaut.wait drop constraint wait_kind;
alter table ordinaut.wait add constraint wait_kind check (kind in ('sleep', 'approval', 'event', 'callback'));
create index wait_for_events on ordinaut.wait ((asked ->> 'topic'))
    where kind in ('event', 'callback') and answered_at is null;

-- Two random UUIDs are 244 random bits, and need no extension.
alter table ordinaut.installation add column callback_key bytea not null
    default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');
comment on column ordinaut.installation.callback_key is 'proves that a callback token was made here; whoever reads it can make tokens';
