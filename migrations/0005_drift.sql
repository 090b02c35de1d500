-- Who wrote a document past git, and since when that is known.

create table ordinaut.drift (
    uid bigint primary key references ordinaut.spec on delete cascade,
    changed_at timestamptz,
    role text,
    application text,
    address text,
    detected_at timestamptz
);
comment on table ordinaut.drift is 'documents that something else than an apply wrote; whether they differ from what was applied is looked at, not kept';
comment on column ordinaut.drift.changed_at is 'when such a write was last seen; null where one was made with the trigger off';
comment on column ordinaut.drift.detected_at is 'when the difference was told; null where it was not, or there is none';

-- An apply says of its transaction that it is one, by the setting that the trigger looks at.
create function ordinaut.note_writer() returns trigger
    language plpgsql
as $$
begin
    insert into ordinaut.drift (uid, changed_at, role, application, address)
    values (new.uid, ordinaut.now(), session_user, current_setting('application_name'), host(inet_client_addr()))
    on conflict (uid) do update
    set changed_at = excluded.changed_at, role = excluded.role, application = excluded.application,
        address = excluded.address;
    return null;
end
$$;

create trigger spec_written_past_apply after insert or update on ordinaut.spec
    for each row when (current_setting('ordinaut.applying', true) is distinct from 'on')
    execute function ordinaut.note_writer();
