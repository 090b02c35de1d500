-- What is held stays so; the rest can be found out again by the next look.
delete from ordinaut.source_status where claim <> '{}';
alter table ordinaut.source_status
    drop constraint source_status_claim_is_of_its_source, drop constraint source_status_pkey, drop column claim,
    add primary key (project, environment),
    drop constraint source_status_approval_is_whole, drop constraint source_status_failing_is_whole,
    drop constraint source_status_source_is_whole, drop constraint source_status_condition,
    drop column failing_since, drop column fetch_error, drop column looked_at, drop column approved_at,
    drop column approved_reason, drop column approved_by, drop column approved_digest, drop column plan,
    drop column plan_digest, drop column applied_revision, drop column reason, drop column folder, drop column branch,
    drop column repository;
comment on column ordinaut.source_status.seen_commit is null;
comment on column ordinaut.source_status.applied_commit is null;
