-- Where a project comes from in git, what the last look at it came to, and who let a plan pass that was refused.

alter table ordinaut.source_status
    add column repository text,
    add column branch text,
    add column folder text,
    add column claim text[] not null default '{}',
    drop constraint source_status_pkey,
    add primary key (project, environment, claim),
    add column reason text not null default '',
    add column applied_revision bigint references ordinaut.revision,
    add column plan_digest text,
    add column plan jsonb,
    add column approved_digest text,
    add column approved_by text,
    add column approved_reason text,
    add column approved_at timestamptz,
    add column looked_at timestamptz,
    add column fetch_error text,
    add column failing_since timestamptz,
    add constraint source_status_condition
        check (condition in ('Synced', 'OutOfSync', 'Held', 'NeedsApproval', 'InvalidSource')),
    add constraint source_status_source_is_whole check (num_nulls(repository, branch, folder) in (0, 3)),
    add constraint source_status_claim_is_of_its_source check (claim in ('{}', array[repository, branch, folder])),
    add constraint source_status_failing_is_whole check ((fetch_error is null) = (failing_since is null)),
    add constraint source_status_approval_is_whole
        check (num_nulls(approved_digest, approved_by, approved_reason, approved_at) in (0, 4));
comment on column ordinaut.source_status.repository is 'what `ordinaut sync` brought into force last; null where it did not';
comment on column ordinaut.source_status.claim is
    'empty in the row of a project; else whose head says it is this project, and is not in force';
comment on column ordinaut.source_status.seen_commit is 'the head of the branch that the condition is about';
comment on column ordinaut.source_status.applied_commit is 'the newest commit that was found in force';
comment on column ordinaut.source_status.applied_revision is 'the newest revision then: what a later one says of its commit is newer';
comment on column ordinaut.source_status.plan_digest is 'of the plan that waits for approval';
comment on column ordinaut.source_status.looked_at is 'when somebody looked last, to a few minutes';
