-- What somebody wrote past git beside a document's content: its name, its owner, whether it is protected or retired, and
-- when its task fires.

-- Deciding an occurrence and arming a task seal what they write; whoever moves a schedule by hand does not.
create function ordinaut.seal(cursor_for timestamptz, next_for timestamptz, next_due_at timestamptz) returns bigint
    language sql immutable parallel safe
    return hashtextextended(
        extract(epoch from cursor_for)::text || ' ' || coalesce(extract(epoch from next_for)::text, '-') || ' '
            || coalesce(extract(epoch from next_due_at)::text, '-'), 0);

alter table ordinaut.schedule add column seal bigint;
comment on column ordinaut.schedule.seal is 'of what is decided and what comes next, as a runtime or an apply wrote it; another one was moved by hand';
update ordinaut.schedule set seal = ordinaut.seal(cursor_for, next_for, next_due_at);

create function ordinaut.note_schedule_writer() returns trigger
    language plpgsql
as $$
begin
    insert into ordinaut.drift (uid, changed_at, role, application, address)
    values (old.task_uid, ordinaut.now(), session_user, current_setting('application_name'), host(inet_client_addr()))
    on conflict (uid) do update
    set changed_at = excluded.changed_at, role = excluded.role, application = excluded.application,
        address = excluded.address;
    return null;
end
$$;

create trigger schedule_moved_by_hand after update on ordinaut.schedule
    for each row when (
        new.seal is not distinct from old.seal
        and (new.cursor_for, new.next_for, new.next_due_at) is distinct from (old.cursor_for, old.next_for, old.next_due_at))
    execute function ordinaut.note_schedule_writer();

create trigger schedule_deleted_by_hand after delete on ordinaut.schedule
    for each row execute function ordinaut.note_schedule_writer();

-- Every document as its last revision says it is, and what of its row is something else. Of a tombstone nothing matters but
-- that it is one: it may have given up its name. Where no revision wrote the row, it is what it says.
create view ordinaut.applied_spec as
select s.uid, s.revision_id, coalesce(v.project, s.project) as project, coalesce(v.environment, s.environment) as environment,
    k.kind, k.namespace, k.name, s.kind as row_kind, s.namespace as row_namespace, s.name as row_name, k.protected, k.retired,
    case when k.retired then coalesce(s.retired_at, v.applied_at) end as retired_at, r.digest, r.facets,
    case when r.uid is null then array[]::text[] else array_remove(array[
        case when not k.retired and s.body is distinct from r.body then 'content' end,
        case when s.name <> k.name or s.namespace <> k.namespace or s.kind <> k.kind then 'name' end,
        case when not k.retired and (s.project <> v.project or s.environment <> v.environment) then 'owner' end,
        case when not k.retired and s.protected <> k.protected then 'protected' end,
        case when k.retired <> (s.retired_at is not null) then 'retired' end,
        case when k.kind = 'Task' and not k.retired and case when c.task_uid is null
            then jsonb_path_exists(
                r.body, '$.schedule[*] ? (exists (@.rrule) || exists (@.cron) || exists (@.every) || exists (@.at))')
            else c.seal is distinct from ordinaut.seal(c.cursor_for, c.next_for, c.next_due_at) end
            then 'schedule' end
    ], null) end as strayed
from ordinaut.spec s
left join ordinaut.spec_revision r on r.uid = s.uid and r.revision_id = s.revision_id
left join ordinaut.revision v on v.revision_id = r.revision_id
left join ordinaut.schedule c on c.task_uid = s.uid
cross join lateral (
    select case when r.uid is null then s.retired_at is not null else r.action = 'retire' end as retired,
        case when r.uid is null then s.protected
            else r.action <> 'retire' and coalesce(r.body -> 'protect' = 'true', false) end as protected,
        case when r.action <> 'retire' then coalesce(r.body ->> 'kind', s.kind) else s.kind end as kind,
        case when r.action <> 'retire' then coalesce(r.body ->> 'namespace', s.namespace) else s.namespace end as namespace,
        case when r.action <> 'retire' then coalesce(r.body ->> 'name', s.name) else s.name end as name
) k;
comment on view ordinaut.applied_spec is 'documents as their last revisions wrote them, and what of their rows is something else';
