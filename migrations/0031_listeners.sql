-- Tasks that events start: what each listens to, and what it has heard and not decided yet.
--
-- Theory of operation
--   Whoever delivers an event writes, in the transaction that marks it delivered, for whom it is (`heard`), and when that is
--   to be decided (`listener.fire_at`): at once, when it has been quiet for long enough, or when a batch is full. Deciding
--   takes a listener's rows away and makes runs of them, in one transaction. So an event is heard once by a task, and what is
--   heard is decided once, whoever dies in between.

create table ordinaut.listener (
    task_uid bigint not null references ordinaut.spec,
    digest text not null,
    position smallint not null,
    topic text not null,
    topic_like text not null generated always as
        (replace(replace(replace(topic, '\', '\\'), '_', '\_'), '*', '%')) stored,
    filter text,
    quiet interval,
    most integer,
    within interval,
    since timestamptz not null default ordinaut.now(),
    heard integer not null default 0,
    fire_at timestamptz,
    primary key (task_uid, digest),
    constraint listener_batch_is_whole check ((most is null) = (within is null)),
    constraint listener_has_one_window check (quiet is null or most is null)
) with (fillfactor = 50);
create index listener_by_fire on ordinaut.listener (fire_at) where fire_at is not null;
create index listener_of_own on ordinaut.listener (topic) where topic like 'ordinaut.%';
comment on column ordinaut.listener.digest is 'of the topic and the filter; another one begins anew';
comment on column ordinaut.listener.position is 'where it stands among the schedules of its task; -1 where it does no more, and only what it heard is left';
comment on column ordinaut.listener.quiet is 'how long nothing may be heard before a run is made; null where it does not wait for that';
comment on column ordinaut.listener.most is 'how many events a run gets at most; null where each has its own';
comment on column ordinaut.listener.within is 'how long after its first event a batch is closed';
comment on column ordinaut.listener.since is 'earlier events are none of its business';
comment on column ordinaut.listener.heard is 'how many events wait to be decided';
comment on column ordinaut.listener.fire_at is 'when they are to be decided; null where none waits';

create table ordinaut.heard (
    task_uid bigint not null,
    event_no bigint not null,
    digest text not null,
    arrived_at timestamptz not null,
    reason text,
    detail text,
    primary key (task_uid, event_no)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index heard_by_event on ordinaut.heard (event_no);
comment on column ordinaut.heard.reason is 'why it starts no run, as far as that is known; null where it may';

alter table ordinaut.event add column run_id uuid;
comment on column ordinaut.event.run_id is 'the run that told of it; null where it came from outside';

-- Whether somebody paused a task, on record or by hand on its schedule; a snooze leaves events out and holds nothing back.
create function ordinaut.is_held_back(of_task bigint) returns boolean
    language sql stable parallel safe
    return exists (
            select from ordinaut.task_override o
            where o.task_uid = of_task and o.kind = 'pause' and o.ended_at is null)
        or exists (select from ordinaut.schedule s where s.task_uid = of_task and s.paused_at is not null);

-- Our own events come to tasks that listen to them. That a chain of events was cut starts none.
create or replace function ordinaut.bundle_events() returns trigger
    language plpgsql
as $$
begin
    insert into ordinaut.outbox (occurred_at, sequences)
    select t.occurred_at, array_agg(t.sequence order by t.sequence)
    from told t
    group by t.occurred_at, t.sequence / 500
    order by min(t.sequence);
    if exists (select from ordinaut.listener l where l.topic like 'ordinaut.%') then
        insert into ordinaut.event (source, event_id, topic, data, run_id)
        select 'ordinaut', t.event_id::text, 'ordinaut.' || t.type, t.data, t.run_id
        from told t
        where t.data ->> 'reason' is distinct from 'event_loop' and exists (
            select from ordinaut.listener l
            where l.topic like 'ordinaut.%' and l.position >= 0 and 'ordinaut.' || t.type like l.topic_like)
        order by t.sequence
        on conflict (source, event_id) do nothing;
    end if;
    return null;
end
$$;
