-- Name: ordinaut; Type: SCHEMA; Schema: -; Owner: -
CREATE SCHEMA ordinaut;
-- Name: audit; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.audit (
    entry bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    origin text NOT NULL,
    token text,
    address text,
    action text NOT NULL,
    subject text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    hash bytea NOT NULL
);
-- Name: COLUMN audit.token; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.audit.token IS 'the name of the API token that was used, never the token';
-- Name: COLUMN audit.address; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.audit.address IS 'where the request came from, as far as it is known';
-- Name: COLUMN audit.hash; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.audit.hash IS 'sha256 of the hash before and of this entry';
-- Name: audit_hash(bytea, ordinaut.audit); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.audit_hash(previous bytea, e ordinaut.audit) RETURNS bytea
    LANGUAGE sql STABLE
    RETURN sha256((previous || convert_to((SELECT string_agg(COALESCE(((length(t.v) || ':'::text) || t.v), '-'::text), ''::text ORDER BY t.n) AS string_agg FROM unnest(ARRAY[((audit_hash.e).entry)::text, to_char(((audit_hash.e).at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text), (audit_hash.e).actor, (audit_hash.e).origin, (audit_hash.e).token, (audit_hash.e).address, (audit_hash.e).action, (audit_hash.e).subject, (audit_hash.e).reason, ((audit_hash.e).details)::text]) WITH ORDINALITY t(v, n)), 'UTF8'::name)));
-- Name: begin_finally(uuid, text, text, text); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.begin_finally(which uuid, why text, who text, told text) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    body jsonb;
    begun timestamptz;
    message text := case why when 'overlap' then 'another run took its place' when 'retired' then 'the task was retired'
        else who || ' cancelled the run' end || coalesce(': ' || nullif(told, ''), '');
begin
    select b.body, r.started_at into body, begun
    from ordinaut.run r
    join ordinaut.spec_revision b on b.uid = r.task_uid and b.revision_id = r.revision_id
    where r.run_id = which;
    if begun is null
        or coalesce(jsonb_array_length(coalesce(body -> 'finally', body -> 'pipeline' -> 'finally')), 0) = 0 then
        return 'none';
    end if;
    insert into ordinaut.step_result (run_id, step, lease_epoch, attempt, outcome, uses, output, error, started_at, finished_at)
    select which, '(over)', w.lease_epoch + 1, 0, 'cancelled', '', jsonb_build_object(
        'seconds', extract(epoch from ordinaut.now() - begun),
        'cancelled', jsonb_strip_nulls(jsonb_build_object('reason', why, 'actor', who, 'detail', nullif(told, '')))),
        jsonb_build_object('code', 'ORD510', 'message', message), ordinaut.now(), ordinaut.now()
    from ordinaut.due_work w
    where w.run_id = which
    on conflict do nothing;
    if not found then
        return 'goes on';
    end if;
    update ordinaut.due_work
    set lease_epoch = lease_epoch + 1, lease_until = '-infinity', runtime_id = null, attempt = 0, woken = false,
        ready_at = ordinaut.now()
    where run_id = which;
    update ordinaut.run set reason = why, ended_by = who, detail = nullif(told, '') where run_id = which;
    return 'begins';
end
$$;
-- Name: bundle_events(); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.bundle_events() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into ordinaut.outbox (occurred_at, sequences)
    select t.occurred_at, array_agg(t.sequence order by t.sequence)
    from told t
    group by t.occurred_at, t.sequence / 500
    order by min(t.sequence);
    if not exists (select from ordinaut.listener l where l.topic like 'ordinaut.%') then
        return null;
    end if;
    -- Looked up by whole topic and task: there may be as many listeners as tasks.
    insert into ordinaut.event (source, event_id, topic, data, run_id)
    select 'ordinaut', t.event_id::text, 'ordinaut.' || t.type, t.data, t.run_id
    from told t
    where t.data ->> 'reason' is distinct from 'event_loop' and (
        exists (
            select from ordinaut.listener l
            where l.topic like 'ordinaut.%' and l.topic = 'ordinaut.' || t.type and l.of_task = t.data ->> 'task'
                and l.position >= 0)
        or exists (
            select from ordinaut.listener l
            where l.topic like 'ordinaut.%' and l.topic = 'ordinaut.' || t.type and l.of_task is null
                and l.position >= 0)
        or exists (
            select from ordinaut.listener l
            where l.topic like 'ordinaut.%*%' and 'ordinaut.' || t.type like l.topic_like
                and (l.of_task is null or l.of_task = t.data ->> 'task') and l.position >= 0))
    order by t.sequence
    on conflict (source, event_id) do nothing;
    -- What is told here comes by this way again, and has no ends of runs.
    if exists (select from ordinaut.listener l where l.topic = 'ordinaut.task.recovered' and l.topic like 'ordinaut.%')
        and exists (select from told t where t.type in ('run.succeeded', 'run.failed'))
    then
        with ended as materialized (
            select t.data ->> 'task' as task, t.subject, t.type, t.run_id, t.sequence,
                lag(t.type) over of_it as type_before, lag(t.run_id) over of_it as run_before,
                lag(t.occurred_at) over of_it as ended_before
            from told t
            where t.type in ('run.succeeded', 'run.failed')
            window of_it as (partition by t.data ->> 'task' order by t.sequence)
        ), held as materialized (
            select f.task
            from ordinaut.failed_task f
            where f.task in (select e.task from ended e where e.type = 'run.succeeded')
            order by f.task
            for update
        ), recovered as (
            delete from ordinaut.failed_task f using held h
            where f.task = h.task
            returning f.task, f.run_id, f.failed_at
        )
        insert into ordinaut.event_log (type, subject, run_id, data)
        select 'task.recovered', e.subject, e.run_id, jsonb_build_object(
            'task', e.task, 'run_id', e.run_id, 'failed_run_id', coalesce(e.run_before, r.run_id),
            'failed_at', coalesce(e.ended_before, r.failed_at))
        from ended e
        left join recovered r on r.task = e.task and e.type_before is null
        -- What failed before anybody listened is none of its business.
        where e.type = 'run.succeeded' and (e.type_before = 'run.failed' or r.task is not null) and exists (
            select from ordinaut.listener l
            where l.topic = 'ordinaut.task.recovered' and l.topic like 'ordinaut.%' and l.position >= 0
                and (l.of_task is null or l.of_task = e.task) and l.since <= coalesce(e.ended_before, r.failed_at))
        order by e.sequence;
        insert into ordinaut.failed_task (task, run_id, failed_at)
        select last.task, last.run_id, last.occurred_at
        from (
            select distinct on (t.data ->> 'task') t.data ->> 'task' as task, t.type, t.run_id, t.occurred_at
            from told t
            where t.type in ('run.succeeded', 'run.failed')
            order by t.data ->> 'task', t.sequence desc) last
        where last.type = 'run.failed' and exists (
            select from ordinaut.listener l
            where l.topic = 'ordinaut.task.recovered' and l.topic like 'ordinaut.%' and l.position >= 0
                and (l.of_task is null or l.of_task = last.task))
        order by last.task
        on conflict (task) do update set run_id = excluded.run_id, failed_at = excluded.failed_at;
    end if;
    -- Who looks for runs that do not begin may have missed one that began late, or nobody was there to look.
    if exists (select from told t where t.type = 'run.started' and (t.data ->> 'late_seconds')::float8 >= 1) then
        with late as materialized (
            select distinct on (t.run_id, w.late_after) t.subject, t.run_id, t.data, w.late_after
            from told t
            cross join lateral (
                select l.late_after from ordinaut.listener l
                where l.topic = 'ordinaut.run.late' and l.topic like 'ordinaut.%' and l.position >= 0
                    and l.of_task = t.data ->> 'task'
                union all
                select l.late_after from ordinaut.listener l
                where l.topic = 'ordinaut.run.late' and l.topic like 'ordinaut.%' and l.position >= 0
                    and l.of_task is null) w
            where t.type = 'run.started' and (t.data ->> 'late_seconds')::float8 >= extract(epoch from w.late_after)
            order by t.run_id, w.late_after
        ), marked as (
            insert into ordinaut.late_run (run_id, late_after)
            select run_id, late_after from late order by run_id, late_after
            on conflict do nothing
            returning run_id, late_after
        )
        insert into ordinaut.event_log (type, subject, run_id, data)
        select 'run.late', l.subject, l.run_id,
            (l.data - 'revision') || jsonb_build_object('after_seconds', extract(epoch from l.late_after)::float8)
        from late l
        join marked m on m.run_id = l.run_id and m.late_after = l.late_after
        order by l.run_id, l.late_after;
    end if;
    return null;
end
$$;
-- Name: chain_audit(); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.chain_audit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
declare
    head ordinaut.audit_head;
begin
    select * into head from ordinaut.audit_head for update;
    new.entry := head.entry + 1;
    new.at := ordinaut.now();
    new.hash := ordinaut.audit_hash(head.hash, new);
    update ordinaut.audit_head set entry = new.entry, hash = new.hash;
    return new;
end $$;
-- Name: drop_partition(text, text, timestamp with time zone, integer); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.drop_partition(parent text, month text, finished_since timestamp with time zone, most integer) RETURNS text
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    AS $_$
declare
    part text := parent || '_' || month;
    month_start timestamptz := to_date(month, 'YYYYMM')::timestamp at time zone 'UTC';
    month_end timestamptz := (to_date(month, 'YYYYMM') + interval '1 month') at time zone 'UTC';
    wanted uuid[] := '{}';
    rows_wanted bigint := 0;
begin
    -- What takes long is found out before anything is locked.
    if parent = 'run' then
        execute format(
            'select array(select run_id from ordinaut.%I
                where state in (''queued'', ''running'', ''waiting'') or finished_at >= $1 limit $2 + 1)', part)
            into wanted using finished_since, most;
        rows_wanted := cardinality(wanted);
    elsif parent = 'event_log' then
        if exists (select from ordinaut.outbox o where o.occurred_at < month_end) then
            return 'wanted';
        end if;
    else
        if to_regclass('ordinaut.run_' || month) is not null then
            return 'wanted';
        end if;
        wanted := array(
            select r.run_id from ordinaut.run r
            where r.run_id >= ordinaut.run_id_floor(month_start) and r.run_id < ordinaut.run_id_floor(month_end));
        execute format('select count(*) from (select from ordinaut.%I where run_id = any($1) limit $2 + 1) r', part)
            into rows_wanted using wanted, most;
    end if;
    if rows_wanted > most then
        return 'wanted';
    end if;
    execute format('alter table ordinaut.%I detach partition ordinaut.%I', parent, part);
    if parent = 'run' then
        -- Without its partition it goes to the default one. What began since the look above has an active state.
        execute format(
            'insert into ordinaut.run select * from ordinaut.%I
                where run_id = any($1) or state in (''queued'', ''running'', ''waiting'')', part)
            using wanted;
    elsif parent <> 'event_log' then
        wanted := array(
            select r.run_id from ordinaut.run r
            where r.run_id >= ordinaut.run_id_floor(month_start) and r.run_id < ordinaut.run_id_floor(month_end));
        execute format('insert into ordinaut.%I select * from ordinaut.%I where run_id = any($1)', parent, part)
            using wanted;
    end if;
    execute format('drop table ordinaut.%I', part);
    return 'dropped';
exception
    when lock_not_available then
        return 'busy';
end
$_$;
-- Name: FUNCTION drop_partition(parent text, month text, finished_since timestamp with time zone, most integer); Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON FUNCTION ordinaut.drop_partition(parent text, month text, finished_since timestamp with time zone, most integer) IS 'dropped; busy: somebody is at the table; wanted: it holds more than so many rows of runs that are not over, or were not at that time, or events that are not published';
-- Name: ensure_partitions(timestamp with time zone); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.ensure_partitions(instant timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    month_start timestamptz;
    month_end timestamptz;
    parent text;
begin
    for month_start in
        select date_trunc('month', instant, 'UTC') + make_interval(months => n) from generate_series(-1, 2) n
    loop
        month_end := date_trunc('month', month_start + interval '40 days', 'UTC');
        foreach parent in array array['run', 'step_result', 'step_attempt', 'step_intent', 'event_log'] loop
            begin
                execute format(
                    'create table if not exists ordinaut.%I partition of ordinaut.%I for values from (%L) to (%L)',
                    parent || to_char(month_start at time zone 'UTC', '_YYYYMM'), parent,
                    case parent when 'event_log' then month_start::text
                                else ordinaut.run_id_floor(month_start)::text end,
                    case parent when 'event_log' then month_end::text
                                else ordinaut.run_id_floor(month_end)::text end);
            exception when check_violation then
                null;
            end;
        end loop;
    end loop;
end
$$;
-- Name: now(); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.now() RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN statement_timestamp();
-- Name: schedule; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.schedule (
    task_uid bigint NOT NULL,
    generation integer DEFAULT 1 NOT NULL,
    cursor_for timestamp with time zone NOT NULL,
    next_for timestamp with time zone,
    next_due_at timestamp with time zone,
    paused_at timestamp with time zone,
    tzdata text NOT NULL,
    seal bigint,
    snoozed_since timestamp with time zone,
    snoozed_until timestamp with time zone,
    CONSTRAINT schedule_next_is_whole CHECK (((next_for IS NULL) = (next_due_at IS NULL))),
    CONSTRAINT schedule_snooze_is_whole CHECK (((snoozed_since IS NULL) = (snoozed_until IS NULL)))
)
WITH (fillfactor='70');
-- Name: COLUMN schedule.generation; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.schedule.generation IS 'raised when the schedule facet changes or somebody asks for a run; a firing that saw an older one is refused';
-- Name: COLUMN schedule.cursor_for; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.schedule.cursor_for IS 'every occurrence up to and including this instant is decided';
-- Name: COLUMN schedule.seal; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.schedule.seal IS 'of what is decided and what comes next, as a runtime or an apply wrote it; another one was moved by hand';
-- Name: COLUMN schedule.snoozed_until; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.schedule.snoozed_until IS 'what is due from snoozed_since until then is skipped; it stays when that is over';
-- Name: task_override; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.task_override (
    override_id bigint NOT NULL,
    task_uid bigint NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    created_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    until timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT task_override_kind CHECK ((kind = ANY (ARRAY['pause'::text, 'snooze'::text])))
);
-- Name: is_held_back(bigint); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.is_held_back(of_task bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((EXISTS (SELECT FROM ordinaut.task_override o WHERE ((o.task_uid = is_held_back.of_task) AND (o.kind = 'pause'::text) AND (o.ended_at IS NULL)))) OR (EXISTS (SELECT FROM ordinaut.schedule s WHERE ((s.task_uid = is_held_back.of_task) AND (s.paused_at IS NOT NULL)))));
-- Name: is_paused(bigint); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.is_paused(of_task bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((EXISTS (SELECT FROM ordinaut.task_override o WHERE ((o.task_uid = is_paused.of_task) AND (o.ended_at IS NULL)))) OR (EXISTS (SELECT FROM ordinaut.schedule s WHERE ((s.task_uid = is_paused.of_task) AND (s.paused_at IS NOT NULL)))));
-- Name: make_partition(text, text); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.make_partition(parent text, month text) RETURNS boolean
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    AS $$
declare
    part text := parent || '_' || month;
    month_start timestamptz := to_date(month, 'YYYYMM')::timestamp at time zone 'UTC';
    month_end timestamptz := (to_date(month, 'YYYYMM') + interval '1 month') at time zone 'UTC';
    is_by_run boolean := parent <> 'event_log';
begin
    execute format(
        'create table ordinaut.%I (like ordinaut.%I including defaults including constraints)%s', part, parent,
        -- Room on each page for the version of a row that has begun.
        case parent when 'run' then ' with (fillfactor = 50)' end);
    -- Unlike `create table partition of`, this lets others read and write the table.
    execute format(
        'alter table ordinaut.%I attach partition ordinaut.%I for values from (%L) to (%L)', parent, part,
        case when is_by_run then ordinaut.run_id_floor(month_start)::text else month_start::text end,
        case when is_by_run then ordinaut.run_id_floor(month_end)::text else month_end::text end);
    return true;
exception
    when duplicate_table then
        return true;
    -- Somebody is at the table; or rows of this month are in the default partition, and stay there.
    when lock_not_available or check_violation then
        return false;
end
$$;
-- Name: FUNCTION make_partition(parent text, month text); Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON FUNCTION ordinaut.make_partition(parent text, month text) IS 'whether there is now a partition of this month (YYYYMM)';
-- Name: note_schedule_writer(); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.note_schedule_writer() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into ordinaut.drift (uid, changed_at, role, application, address)
    values (old.task_uid, ordinaut.now(), session_user, current_setting('application_name'), host(inet_client_addr()))
    on conflict (uid) do update
    set changed_at = excluded.changed_at, role = excluded.role, application = excluded.application,
        address = excluded.address;
    return null;
end
$$;
-- Name: note_writer(); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.note_writer() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into ordinaut.drift (uid, changed_at, role, application, address)
    values (new.uid, ordinaut.now(), session_user, current_setting('application_name'), host(inet_client_addr()))
    on conflict (uid) do update
    set changed_at = excluded.changed_at, role = excluded.role, application = excluded.application,
        address = excluded.address;
    return null;
end
$$;
-- Name: refuse_audit_change(); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.refuse_audit_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege',
        hint = 'what is in it stays: write what is right as a new entry';
end $$;
-- Name: run_id_floor(timestamp with time zone); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.run_id_floor(instant timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (rpad(lpad(to_hex((floor((EXTRACT(epoch FROM instant) * (1000)::numeric)))::bigint), 12, '0'::text), 32, '0'::text))::uuid;
-- Name: run_statement(text, jsonb, integer); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.run_statement(statement text, parameters jsonb, most_rows integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    name text := 'ordinaut_' || replace(gen_random_uuid()::text, '-', '');
    call text;
    found record;
    kept jsonb[] := '{}';
begin
    if current_user <> 'ordinaut_sql' then
        raise exception 'ordinaut.run_statement must belong to the role ordinaut_sql'
            using errcode = 'insufficient_privilege',
                hint = 'an administrator makes the role, and gives it the function: see the operations guide';
    end if;
    execute 'prepare ' || name || ' as ' || statement;
    -- The values stand in a command of their own; the statement has only their places.
    select 'execute ' || name || coalesce('(' || string_agg(quote_nullable(value), ', ' order by place) || ')', '')
    into call
    from jsonb_array_elements_text(parameters) with ordinality as given(value, place);
    begin
        begin
            for found in execute call loop
                if cardinality(kept) >= most_rows then
                    raise exception 'the statement gives more than % rows', most_rows
                        using errcode = 'program_limit_exceeded';
                end if;
                kept := kept || to_jsonb(found);
            end loop;
        exception
            -- A change of rows that returns none.
            when invalid_cursor_definition then execute call;
        end;
        set constraints all immediate;
    exception
        -- What is prepared, and what is locked for the session, outlives a transaction that is rolled back.
        when others or query_canceled then
            execute 'deallocate ' || name;
            perform pg_advisory_unlock_all();
            raise;
    end;
    execute 'deallocate ' || name;
    perform pg_advisory_unlock_all();
    return to_jsonb(kept);
end
$$;
-- Name: seal(timestamp with time zone, timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: ordinaut; Owner: -
CREATE FUNCTION ordinaut.seal(cursor_for timestamp with time zone, next_for timestamp with time zone, next_due_at timestamp with time zone) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended((((((EXTRACT(epoch FROM cursor_for))::text || ' '::text) || COALESCE((EXTRACT(epoch FROM next_for))::text, '-'::text)) || ' '::text) || COALESCE((EXTRACT(epoch FROM next_due_at))::text, '-'::text)), (0)::bigint);
-- Name: answer; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.answer (
    key bytea NOT NULL,
    output jsonb NOT NULL,
    size integer NOT NULL,
    made_at timestamp with time zone NOT NULL,
    kept_until timestamp with time zone NOT NULL
);
-- Name: COLUMN answer.key; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.answer.key IS 'a keyed hash of the project, the tool and the arguments, or of the key that the step makes: nothing can be read of it';
-- Name: api_request; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.api_request (
    token_id bigint NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    answer text NOT NULL,
    answered_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    CONSTRAINT api_request_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255)))
);
-- Name: COLUMN api_request.fingerprint; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.api_request.fingerprint IS 'sha256 of the operation and its arguments: the same key with another is a mistake';
-- Name: api_token; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.api_token (
    token_id bigint NOT NULL,
    digest bytea NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_by text,
    revoked_at timestamp with time zone,
    CONSTRAINT api_token_check CHECK ((expires_at > created_at)),
    CONSTRAINT api_token_check1 CHECK (((revoked_by IS NULL) = (revoked_at IS NULL))),
    CONSTRAINT api_token_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT api_token_name_check CHECK ((name ~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT api_token_scopes_check CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['read'::text, 'operate'::text, 'approve'::text, 'emit'::text, 'propose'::text, 'admin'::text])))
);
-- Name: COLUMN api_token.digest; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.api_token.digest IS 'sha256 of the token, which has 256 random bits: nothing can be read of it, and no salt is needed';
-- Name: COLUMN api_token.last_used_at; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.api_token.last_used_at IS 'at most an hour older than its last use';
-- Name: api_token_token_id_seq; Type: SEQUENCE; Schema: ordinaut; Owner: -
ALTER TABLE ordinaut.api_token ALTER COLUMN token_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ordinaut.api_token_token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
-- Name: revision; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.revision (
    revision_id bigint NOT NULL,
    parent_id bigint,
    project text NOT NULL,
    environment text NOT NULL,
    kind text NOT NULL,
    git_commit text,
    git_tree text,
    git_branch text,
    git_dirty boolean DEFAULT false NOT NULL,
    pull_request text,
    author text,
    actor text NOT NULL,
    plan_digest text NOT NULL,
    normaliser_version smallint NOT NULL,
    summary jsonb NOT NULL,
    applied_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    defaults text,
    CONSTRAINT revision_kind CHECK ((kind = ANY (ARRAY['apply'::text, 'rollback'::text, 'heal'::text, 'override'::text, 'adopt'::text])))
);
-- Name: COLUMN revision.defaults; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.revision.defaults IS 'by which the documents it wrote were filled out; null where nobody remembered';
-- Name: spec; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.spec (
    uid bigint NOT NULL,
    project text NOT NULL,
    environment text NOT NULL,
    kind text NOT NULL,
    namespace text NOT NULL,
    name text NOT NULL,
    revision_id bigint NOT NULL,
    body jsonb NOT NULL,
    digest text NOT NULL,
    protected boolean DEFAULT false NOT NULL,
    retired_at timestamp with time zone
);
-- Name: spec_revision; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.spec_revision (
    uid bigint NOT NULL,
    revision_id bigint NOT NULL,
    action text NOT NULL,
    body jsonb NOT NULL,
    digest text NOT NULL,
    facets jsonb NOT NULL,
    file text NOT NULL,
    line integer NOT NULL,
    CONSTRAINT spec_revision_action CHECK ((action = ANY (ARRAY['create'::text, 'update'::text, 'rename'::text, 'retire'::text, 'adopt'::text])))
);
-- Name: applied_spec; Type: VIEW; Schema: ordinaut; Owner: -
CREATE VIEW ordinaut.applied_spec AS
 SELECT s.uid,
    s.revision_id,
    COALESCE(v.project, s.project) AS project,
    COALESCE(v.environment, s.environment) AS environment,
    k.kind,
    k.namespace,
    k.name,
    s.kind AS row_kind,
    s.namespace AS row_namespace,
    s.name AS row_name,
    k.protected,
    k.retired,
        CASE
            WHEN k.retired THEN COALESCE(s.retired_at, v.applied_at)
            ELSE NULL::timestamp with time zone
        END AS retired_at,
    r.digest,
    r.facets,
        CASE
            WHEN (r.uid IS NULL) THEN ARRAY[]::text[]
            ELSE array_remove(ARRAY[
            CASE
                WHEN ((NOT k.retired) AND (s.body IS DISTINCT FROM r.body)) THEN 'content'::text
                ELSE NULL::text
            END,
            CASE
                WHEN ((s.name <> k.name) OR (s.namespace <> k.namespace) OR (s.kind <> k.kind)) THEN 'name'::text
                ELSE NULL::text
            END,
            CASE
                WHEN ((NOT k.retired) AND ((s.project <> v.project) OR (s.environment <> v.environment))) THEN 'owner'::text
                ELSE NULL::text
            END,
            CASE
                WHEN ((NOT k.retired) AND (s.protected <> k.protected)) THEN 'protected'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (k.retired <> (s.retired_at IS NOT NULL)) THEN 'retired'::text
                ELSE NULL::text
            END,
            CASE
                WHEN ((k.kind = 'Task'::text) AND (NOT k.retired) AND
                CASE
                    WHEN (c.task_uid IS NULL) THEN jsonb_path_exists(r.body, '$."schedule"[*]?(((exists (@."rrule") || exists (@."cron")) || exists (@."every")) || exists (@."at"))'::jsonpath)
                    ELSE (c.seal IS DISTINCT FROM ordinaut.seal(c.cursor_for, c.next_for, c.next_due_at))
                END) THEN 'schedule'::text
                ELSE NULL::text
            END], NULL::text)
        END AS strayed
   FROM ((((ordinaut.spec s
     LEFT JOIN ordinaut.spec_revision r ON (((r.uid = s.uid) AND (r.revision_id = s.revision_id))))
     LEFT JOIN ordinaut.revision v ON ((v.revision_id = r.revision_id)))
     LEFT JOIN ordinaut.schedule c ON ((c.task_uid = s.uid)))
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN (r.uid IS NULL) THEN (s.retired_at IS NOT NULL)
                    ELSE (r.action = 'retire'::text)
                END AS retired,
                CASE
                    WHEN (r.uid IS NULL) THEN s.protected
                    ELSE ((r.action <> 'retire'::text) AND COALESCE(((r.body -> 'protect'::text) = 'true'::jsonb), false))
                END AS protected,
                CASE
                    WHEN (r.action <> 'retire'::text) THEN COALESCE((r.body ->> 'kind'::text), s.kind)
                    ELSE s.kind
                END AS kind,
                CASE
                    WHEN (r.action <> 'retire'::text) THEN COALESCE((r.body ->> 'namespace'::text), s.namespace)
                    ELSE s.namespace
                END AS namespace,
                CASE
                    WHEN (r.action <> 'retire'::text) THEN COALESCE((r.body ->> 'name'::text), s.name)
                    ELSE s.name
                END AS name) k);
-- Name: VIEW applied_spec; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON VIEW ordinaut.applied_spec IS 'documents as their last revisions wrote them, and what of their rows is something else';
-- Name: audit_head; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.audit_head (
    only_one boolean DEFAULT true NOT NULL,
    entry bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_head_is_one_row CHECK (only_one)
);
-- Name: backlog; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.backlog (
    run_id uuid NOT NULL,
    task_uid bigint NOT NULL,
    revision_id bigint NOT NULL,
    rank smallint DEFAULT 0 NOT NULL,
    ready_at timestamp with time zone NOT NULL,
    start_until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    lane smallint NOT NULL
);
-- Name: batch_number; Type: SEQUENCE; Schema: ordinaut; Owner: -
CREATE SEQUENCE ordinaut.batch_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
-- Name: budget_hold; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.budget_hold (
    run_id uuid NOT NULL,
    step text NOT NULL,
    iteration integer NOT NULL,
    lease_epoch integer NOT NULL,
    agent text NOT NULL,
    tool text NOT NULL
);
-- Name: TABLE budget_hold; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON TABLE ordinaut.budget_hold IS 'calls that may use up something, and whose results are not on record; as good as none once their run has another lease, or none';
-- Name: budget_run; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.budget_run (
    run_id uuid NOT NULL,
    agent text NOT NULL,
    began_at timestamp with time zone NOT NULL
);
-- Name: TABLE budget_run; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON TABLE ordinaut.budget_run IS 'runs that began, of agents that may begin so many a day';
-- Name: call_usage; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.call_usage (
    run_id uuid NOT NULL,
    step text NOT NULL,
    iteration integer NOT NULL,
    attempt smallint NOT NULL,
    task_uid bigint NOT NULL,
    agent text,
    tool text NOT NULL,
    model text NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    cache_written_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    cost numeric(24,12),
    currency text,
    cost_source text,
    used_at timestamp with time zone NOT NULL,
    CONSTRAINT call_usage_cost_is_whole CHECK ((((cost IS NULL) = (currency IS NULL)) AND ((cost IS NULL) = (cost_source IS NULL))))
)
PARTITION BY RANGE (run_id);
-- Name: COLUMN call_usage.agent; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.call_usage.agent IS 'on whose behalf it was called, as that was called then';
-- Name: COLUMN call_usage.model; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.call_usage.model IS 'as its provider calls it; empty where nobody told';
-- Name: COLUMN call_usage.cost_source; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.call_usage.cost_source IS 'provider: whoever asks the money said so; local: worked out from a table of prices';
-- Name: call_usage_default; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.call_usage_default (
    run_id uuid CONSTRAINT call_usage_run_id_not_null NOT NULL,
    step text CONSTRAINT call_usage_step_not_null NOT NULL,
    iteration integer CONSTRAINT call_usage_iteration_not_null NOT NULL,
    attempt smallint CONSTRAINT call_usage_attempt_not_null NOT NULL,
    task_uid bigint CONSTRAINT call_usage_task_uid_not_null NOT NULL,
    agent text,
    tool text CONSTRAINT call_usage_tool_not_null NOT NULL,
    model text CONSTRAINT call_usage_model_not_null NOT NULL,
    input_tokens bigint CONSTRAINT call_usage_input_tokens_not_null NOT NULL,
    output_tokens bigint CONSTRAINT call_usage_output_tokens_not_null NOT NULL,
    cache_read_tokens bigint CONSTRAINT call_usage_cache_read_tokens_not_null NOT NULL,
    cache_written_tokens bigint CONSTRAINT call_usage_cache_written_tokens_not_null NOT NULL,
    reasoning_tokens bigint CONSTRAINT call_usage_reasoning_tokens_not_null NOT NULL,
    cost numeric(24,12),
    currency text,
    cost_source text,
    used_at timestamp with time zone CONSTRAINT call_usage_used_at_not_null NOT NULL,
    CONSTRAINT call_usage_cost_is_whole CHECK ((((cost IS NULL) = (currency IS NULL)) AND ((cost IS NULL) = (cost_source IS NULL))))
);
-- Name: concurrency_slot; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.concurrency_slot (
    slot_key text NOT NULL,
    slot smallint NOT NULL,
    run_id uuid NOT NULL,
    taken_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL
)
WITH (fillfactor='50');
-- Name: condition; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.condition (
    task_uid bigint NOT NULL,
    digest text NOT NULL,
    "position" smallint NOT NULL,
    every interval NOT NULL,
    next_poll_at timestamp with time zone NOT NULL,
    lease_epoch integer DEFAULT 0 NOT NULL,
    runtime_id integer,
    phase text DEFAULT 'armed'::text NOT NULL,
    met_since timestamp with time zone,
    answer jsonb,
    polled_at timestamp with time zone,
    changed_at timestamp with time zone,
    error jsonb,
    failing_since timestamp with time zone,
    CONSTRAINT condition_failing_is_whole CHECK (((error IS NULL) = (failing_since IS NULL))),
    CONSTRAINT condition_phase CHECK ((phase = ANY (ARRAY['armed'::text, 'spent'::text, 'released'::text])))
)
WITH (fillfactor='50');
-- Name: COLUMN condition.digest; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.condition.digest IS 'of what is asked and how the answer is read; another condition begins anew';
-- Name: COLUMN condition."position"; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.condition."position" IS 'where it stands among the schedules of its task';
-- Name: COLUMN condition.next_poll_at; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.condition.next_poll_at IS 'when somebody may ask again; while a runtime asks, the end of its lease';
-- Name: COLUMN condition.lease_epoch; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.condition.lease_epoch IS 'the fencing token: only grows, and what a poll writes carries it';
-- Name: COLUMN condition.phase; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.condition.phase IS 'armed: may fire; spent: has fired and waits to be rearmed; released: was rearmed before the stretch ended';
-- Name: COLUMN condition.met_since; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.condition.met_since IS 'the first of the latest answers that all meet the condition; null where the last one does not';
-- Name: COLUMN condition.answer; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.condition.answer IS 'the last answer, without secrets; null where it is too large to be kept';
-- Name: COLUMN condition.changed_at; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.condition.changed_at IS 'when an answer last began or ceased to meet the condition';
-- Name: defaults; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.defaults (
    digest text NOT NULL,
    fields jsonb NOT NULL
);
-- Name: COLUMN defaults.fields; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.defaults.fields IS 'by kind and the name of a field: what it is when left out, as canonical JSON';
-- Name: drift; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.drift (
    uid bigint NOT NULL,
    changed_at timestamp with time zone,
    role text,
    application text,
    address text,
    detected_at timestamp with time zone
);
-- Name: TABLE drift; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON TABLE ordinaut.drift IS 'documents that something else than an apply wrote; whether they differ from what was applied is looked at, not kept';
-- Name: COLUMN drift.changed_at; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.drift.changed_at IS 'when such a write was last seen; null where one was made with the trigger off';
-- Name: COLUMN drift.detected_at; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.drift.detected_at IS 'when the difference was told; null where it was not, or there is none';
-- Name: due_work; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.due_work (
    run_id uuid NOT NULL,
    task_uid bigint NOT NULL,
    revision_id bigint NOT NULL,
    ready_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    lease_epoch integer DEFAULT 0 NOT NULL,
    runtime_id integer,
    lane smallint NOT NULL,
    attempt smallint DEFAULT 0 NOT NULL,
    start_until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    followed boolean DEFAULT false NOT NULL,
    woken boolean DEFAULT false NOT NULL,
    slot_key text
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='1000');
-- Name: COLUMN due_work.lease_epoch; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.due_work.lease_epoch IS 'the fencing token: only grows, and every write of a lease holder carries it';
-- Name: COLUMN due_work.lane; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.due_work.lane IS 'its priority; 100 more while it waits for a slot of its concurrency key';
-- Name: COLUMN due_work.attempt; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.due_work.attempt IS 'counted when a lease is taken, so that work which kills its process is counted too';
-- Name: COLUMN due_work.start_until; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.due_work.start_until IS 'a run that nobody has started by then is skipped';
-- Name: COLUMN due_work.followed; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.due_work.followed IS 'another run of the task waits in the backlog; whoever ends this one lets it begin';
-- Name: COLUMN due_work.woken; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.due_work.woken IS 'something was answered since the run was claimed: it does not go to sleep before it has looked';
-- Name: COLUMN due_work.slot_key; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.due_work.slot_key IS 'the concurrency key of which it needs a slot; null until it is known, and where it needs none';
-- Name: event; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.event (
    event_no bigint NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    topic text NOT NULL,
    data jsonb NOT NULL,
    arrived_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    delivered_at timestamp with time zone,
    run_id uuid,
    trace_link text
);
-- Name: COLUMN event.event_id; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.event.event_id IS 'what the source calls it: the same event said again is no other';
-- Name: COLUMN event.delivered_at; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.event.delivered_at IS 'when the waits that it ends were ended; null until somebody has looked';
-- Name: COLUMN event.run_id; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.event.run_id IS 'the run that told of it; null where it came from outside';
-- Name: COLUMN event.trace_link; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.event.trace_link IS 'as that of a run, of the request that told of the event';
-- Name: event_event_no_seq; Type: SEQUENCE; Schema: ordinaut; Owner: -
ALTER TABLE ordinaut.event ALTER COLUMN event_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ordinaut.event_event_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
-- Name: event_sequence; Type: SEQUENCE; Schema: ordinaut; Owner: -
CREATE SEQUENCE ordinaut.event_sequence
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
-- Name: event_log; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.event_log (
    sequence bigint DEFAULT nextval('ordinaut.event_sequence'::regclass) NOT NULL,
    event_id uuid DEFAULT gen_random_uuid() NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    run_id uuid,
    data jsonb NOT NULL,
    occurred_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL
)
PARTITION BY RANGE (occurred_at);
-- Name: event_log_default; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.event_log_default (
    sequence bigint DEFAULT nextval('ordinaut.event_sequence'::regclass) CONSTRAINT event_log_sequence_not_null NOT NULL,
    event_id uuid DEFAULT gen_random_uuid() CONSTRAINT event_log_event_id_not_null NOT NULL,
    type text CONSTRAINT event_log_type_not_null NOT NULL,
    subject text CONSTRAINT event_log_subject_not_null NOT NULL,
    run_id uuid,
    data jsonb CONSTRAINT event_log_data_not_null NOT NULL,
    occurred_at timestamp with time zone DEFAULT ordinaut.now() CONSTRAINT event_log_occurred_at_not_null NOT NULL
);
-- Name: failed_task; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.failed_task (
    task text NOT NULL,
    run_id uuid,
    failed_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');
-- Name: TABLE failed_task; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON TABLE ordinaut.failed_task IS 'tasks whose recovery somebody listens to, and that failed and have not succeeded since';
-- Name: heard; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.heard (
    task_uid bigint NOT NULL,
    event_no bigint NOT NULL,
    digest text NOT NULL,
    arrived_at timestamp with time zone NOT NULL,
    reason text,
    detail text
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000');
-- Name: COLUMN heard.reason; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.heard.reason IS 'why it starts no run, as far as that is known; null where it may';
-- Name: installation; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.installation (
    only_one boolean DEFAULT true NOT NULL,
    installation_id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    callback_key bytea DEFAULT decode(replace(((gen_random_uuid())::text || (gen_random_uuid())::text), '-'::text, ''::text), 'hex'::text) NOT NULL,
    CONSTRAINT installation_is_one_row CHECK (only_one)
);
-- Name: COLUMN installation.callback_key; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.installation.callback_key IS 'proves that a callback token was made here; whoever reads it can make tokens';
-- Name: late_run; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.late_run (
    run_id uuid NOT NULL,
    late_after interval NOT NULL
);
-- Name: TABLE late_run; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON TABLE ordinaut.late_run IS 'what was told to be late, until a while after it began or ended';
-- Name: listener; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.listener (
    task_uid bigint NOT NULL,
    digest text NOT NULL,
    "position" smallint NOT NULL,
    topic text NOT NULL,
    topic_like text GENERATED ALWAYS AS (replace(replace(replace(topic, '\'::text, '\\'::text), '_'::text, '\_'::text), '*'::text, '%'::text)) STORED NOT NULL,
    filter text,
    quiet interval,
    most integer,
    within interval,
    since timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    heard integer DEFAULT 0 NOT NULL,
    fire_at timestamp with time zone,
    of_task text,
    late_after interval,
    until timestamp with time zone,
    CONSTRAINT listener_batch_is_whole CHECK (((most IS NULL) = (within IS NULL))),
    CONSTRAINT listener_has_one_window CHECK (((quiet IS NULL) OR (most IS NULL)))
)
WITH (fillfactor='50');
-- Name: COLUMN listener.digest; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener.digest IS 'of the topic and the filter; another one begins anew';
-- Name: COLUMN listener."position"; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener."position" IS 'where it stands among the schedules of its task; -1 where it does no more, and only what it heard is left';
-- Name: COLUMN listener.quiet; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener.quiet IS 'how long nothing may be heard before a run is made; null where it does not wait for that';
-- Name: COLUMN listener.most; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener.most IS 'how many events a run gets at most; null where each has its own';
-- Name: COLUMN listener.within; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener.within IS 'how long after its first event a batch is closed';
-- Name: COLUMN listener.since; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener.since IS 'earlier events are none of its business';
-- Name: COLUMN listener.heard; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener.heard IS 'how many events wait to be decided';
-- Name: COLUMN listener.fire_at; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener.fire_at IS 'when they are to be decided; null where none waits';
-- Name: COLUMN listener.of_task; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener.of_task IS 'the task whose events alone can pass its filter; null where that is not known';
-- Name: COLUMN listener.late_after; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener.late_after IS 'of one that listens to ordinaut.run.late: how long after its due time a run is late';
-- Name: COLUMN listener.until; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.listener.until IS 'later events are none of its business; null while it listens';
-- Name: log_position; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.log_position (
    reader text NOT NULL,
    top bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    missing bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    holder uuid NOT NULL,
    held_until timestamp with time zone NOT NULL
);
-- Name: COLUMN log_position.top; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.log_position.top IS 'the highest number of an event that was dealt with, but for those in missing';
-- Name: COLUMN log_position.holder; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.log_position.holder IS 'one process at a time, until held_until unless it says that it still is there';
-- Name: outbox; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.outbox (
    outbox_id bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    sequences bigint[] NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', toast_tuple_target='8160');
-- Name: COLUMN outbox.outbox_id; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.outbox.outbox_id IS 'below zero for what is published again: it goes first';
-- Name: COLUMN outbox.sequences; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.outbox.sequences IS 'events of one statement, at most 500, in order';
-- Name: outbox_outbox_id_seq; Type: SEQUENCE; Schema: ordinaut; Owner: -
ALTER TABLE ordinaut.outbox ALTER COLUMN outbox_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ordinaut.outbox_outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
-- Name: poison; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.poison (
    source text NOT NULL,
    entry_id text NOT NULL,
    fields jsonb NOT NULL,
    error text NOT NULL,
    found_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL
);
-- Name: TABLE poison; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON TABLE ordinaut.poison IS 'acknowledged in their stream, and kept here as long as events are';
-- Name: COLUMN poison.source; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.poison.source IS 'the project and the name of the stream in it';
-- Name: COLUMN poison.fields; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.poison.fields IS 'what the entry held, as far as it can be kept';
-- Name: published; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.published (
    bus uuid NOT NULL,
    first_batch bigint NOT NULL,
    last_batch bigint NOT NULL,
    published_at timestamp with time zone NOT NULL,
    events bigint NOT NULL,
    occurred_from timestamp with time zone NOT NULL,
    sequences int8multirange NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000');
-- Name: TABLE published; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON TABLE ordinaut.published IS 'what was published in the last hour, a row a second';
-- Name: COLUMN published.bus; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.published.bus IS 'the Redis that has it, by the id that it was given beside its stream';
-- Name: COLUMN published.last_batch; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.published.last_batch IS 'Redis has the number of the newest batch as well: a lower one there says that it lost something';
-- Name: COLUMN published.occurred_from; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.published.occurred_from IS 'when the oldest of the events happened';
-- Name: rate_bucket; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.rate_bucket (
    bucket text NOT NULL,
    spent_until timestamp with time zone NOT NULL
)
WITH (fillfactor='50');
-- Name: COLUMN rate_bucket.spent_until; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.rate_bucket.spent_until IS 'when the bucket is full again, if nobody takes more; far in the future where many have their turn';
-- Name: rate_turn; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.rate_turn (
    run_id uuid NOT NULL,
    step text NOT NULL,
    iteration integer NOT NULL,
    attempt smallint NOT NULL,
    ready_at timestamp with time zone NOT NULL
);
-- Name: TABLE rate_turn; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON TABLE ordinaut.rate_turn IS 'calls whose tokens are taken and that may be made from ready_at on: nobody overtakes them, whoever goes on with their run';
-- Name: revision_revision_id_seq; Type: SEQUENCE; Schema: ordinaut; Owner: -
ALTER TABLE ordinaut.revision ALTER COLUMN revision_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ordinaut.revision_revision_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
-- Name: run; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.run (
    run_id uuid NOT NULL,
    task_uid bigint NOT NULL,
    revision_id bigint NOT NULL,
    trigger text NOT NULL,
    trigger_key text DEFAULT ''::text NOT NULL,
    occurrence_for timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    reason text,
    params jsonb,
    event jsonb,
    requested_by text,
    created_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    error jsonb,
    decided_by integer,
    tzdata text,
    detail text,
    ended_by text,
    rerun_of uuid,
    origin_id uuid,
    replay_no integer,
    trace_link text,
    progress jsonb,
    CONSTRAINT run_end_is_told CHECK (((finished_at IS NULL) = (state = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text])))),
    CONSTRAINT run_rerun_is_whole CHECK ((((rerun_of IS NULL) = (origin_id IS NULL)) AND ((rerun_of IS NULL) = (replay_no IS NULL)))),
    CONSTRAINT run_skip_has_a_reason CHECK (((state <> 'skipped'::text) OR (reason IS NOT NULL))),
    CONSTRAINT run_state CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text, 'skipped'::text]))),
    CONSTRAINT run_trigger CHECK ((trigger = ANY (ARRAY['schedule'::text, 'manual'::text, 'event'::text, 'condition'::text, 'backfill'::text, 'run'::text, 'rerun'::text])))
)
PARTITION BY RANGE (run_id);
-- Name: COLUMN run.decided_by; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.run.decided_by IS 'the runtime that decided the occurrence; null where a command or an apply did';
-- Name: COLUMN run.tzdata; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.run.tzdata IS 'the version of the time zone data by which the occurrence was found';
-- Name: COLUMN run.detail; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.run.detail IS 'what the reason is about: the calendar that excludes, where the occurrence was moved to';
-- Name: COLUMN run.ended_by; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.run.ended_by IS 'who cancelled the run; null where a policy did, and where it ended by itself';
-- Name: COLUMN run.rerun_of; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.run.rerun_of IS 'the run that this one runs again';
-- Name: COLUMN run.origin_id; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.run.origin_id IS 'the first of these runs: idempotency keys are derived from its id';
-- Name: COLUMN run.replay_no; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.run.replay_no IS 'how often that was asked for to be done anew; part of idempotency keys where it is not 0';
-- Name: COLUMN run.trace_link; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.run.trace_link IS 'W3C traceparent of the request that asked for the run';
-- Name: COLUMN run.progress; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.run.progress IS 'by name: how many are done, of how many, and how many failed; null where nobody counts';
-- Name: run_default; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.run_default (
    run_id uuid CONSTRAINT run_run_id_not_null NOT NULL,
    task_uid bigint CONSTRAINT run_task_uid_not_null NOT NULL,
    revision_id bigint CONSTRAINT run_revision_id_not_null NOT NULL,
    trigger text CONSTRAINT run_trigger_not_null NOT NULL,
    trigger_key text DEFAULT ''::text CONSTRAINT run_trigger_key_not_null NOT NULL,
    occurrence_for timestamp with time zone CONSTRAINT run_occurrence_for_not_null NOT NULL,
    due_at timestamp with time zone CONSTRAINT run_due_at_not_null NOT NULL,
    state text CONSTRAINT run_state_not_null NOT NULL,
    reason text,
    params jsonb,
    event jsonb,
    requested_by text,
    created_at timestamp with time zone DEFAULT ordinaut.now() CONSTRAINT run_created_at_not_null NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    error jsonb,
    decided_by integer,
    tzdata text,
    detail text,
    ended_by text,
    rerun_of uuid,
    origin_id uuid,
    replay_no integer,
    trace_link text,
    progress jsonb,
    CONSTRAINT run_end_is_told CHECK (((finished_at IS NULL) = (state = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text])))),
    CONSTRAINT run_rerun_is_whole CHECK ((((rerun_of IS NULL) = (origin_id IS NULL)) AND ((rerun_of IS NULL) = (replay_no IS NULL)))),
    CONSTRAINT run_skip_has_a_reason CHECK (((state <> 'skipped'::text) OR (reason IS NOT NULL))),
    CONSTRAINT run_state CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text, 'skipped'::text]))),
    CONSTRAINT run_trigger CHECK ((trigger = ANY (ARRAY['schedule'::text, 'manual'::text, 'event'::text, 'condition'::text, 'backfill'::text, 'run'::text, 'rerun'::text])))
)
WITH (fillfactor='50');
-- Name: runtime; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.runtime (
    runtime_id integer NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    started_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    draining boolean DEFAULT false NOT NULL,
    stopped_at timestamp with time zone,
    duties text[] DEFAULT '{scheduler,worker,relay}'::text[] NOT NULL
);
-- Name: COLUMN runtime.duties; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.runtime.duties IS 'which of scheduler, worker and relay it is; an older program is all of them';
-- Name: runtime_runtime_id_seq; Type: SEQUENCE; Schema: ordinaut; Owner: -
ALTER TABLE ordinaut.runtime ALTER COLUMN runtime_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ordinaut.runtime_runtime_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
-- Name: sign_in_link; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.sign_in_link (
    digest bytea NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sign_in_link_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT sign_in_link_scopes_check CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['read'::text, 'operate'::text, 'approve'::text, 'emit'::text, 'propose'::text, 'admin'::text])))
);
-- Name: TABLE sign_in_link; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON TABLE ordinaut.sign_in_link IS 'a row is deleted when its link is used, so it works once';
-- Name: source_status; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.source_status (
    project text NOT NULL,
    environment text NOT NULL,
    condition text NOT NULL,
    message text DEFAULT ''::text NOT NULL,
    seen_commit text,
    applied_commit text,
    held_commit text,
    changed_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    held_digest text,
    held_by bigint,
    repository text,
    branch text,
    folder text,
    claim text[] DEFAULT '{}'::text[] NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    applied_revision bigint,
    plan_digest text,
    plan jsonb,
    approved_digest text,
    approved_by text,
    approved_reason text,
    approved_at timestamp with time zone,
    looked_at timestamp with time zone,
    fetch_error text,
    failing_since timestamp with time zone,
    refusals text[] DEFAULT '{}'::text[] NOT NULL,
    approved_refusals text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT source_status_approval_is_whole CHECK ((num_nulls(approved_digest, approved_by, approved_reason, approved_at) = ANY (ARRAY[0, 4]))),
    CONSTRAINT source_status_claim_is_of_its_source CHECK (((claim = '{}'::text[]) OR (claim = ARRAY[repository, branch, folder]))),
    CONSTRAINT source_status_condition CHECK ((condition = ANY (ARRAY['Synced'::text, 'OutOfSync'::text, 'Held'::text, 'NeedsApproval'::text, 'InvalidSource'::text]))),
    CONSTRAINT source_status_failing_is_whole CHECK (((fetch_error IS NULL) = (failing_since IS NULL))),
    CONSTRAINT source_status_hold_is_whole CHECK ((((held_digest IS NULL) = (held_by IS NULL)) AND ((held_commit IS NULL) OR (held_by IS NOT NULL)))),
    CONSTRAINT source_status_source_is_whole CHECK ((num_nulls(repository, branch, folder) = ANY (ARRAY[0, 3])))
);
-- Name: COLUMN source_status.seen_commit; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.seen_commit IS 'the head of the branch that the condition is about';
-- Name: COLUMN source_status.applied_commit; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.applied_commit IS 'the newest commit that was found in force';
-- Name: COLUMN source_status.held_commit; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.held_commit IS 'the commit that was rolled back; null where it came from outside git';
-- Name: COLUMN source_status.held_digest; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.held_digest IS 'of all documents that were in force before the rollback';
-- Name: COLUMN source_status.held_by; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.held_by IS 'the rollback; null where nothing is held';
-- Name: COLUMN source_status.repository; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.repository IS 'what `ordinaut sync` brought into force last; null where it did not';
-- Name: COLUMN source_status.claim; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.claim IS 'empty in the row of a project; else whose head says it is this project, and is not in force';
-- Name: COLUMN source_status.applied_revision; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.applied_revision IS 'the newest revision then: what a later one says of its commit is newer';
-- Name: COLUMN source_status.plan_digest; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.plan_digest IS 'of the plan that waits for approval';
-- Name: COLUMN source_status.looked_at; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.looked_at IS 'when somebody looked last, to a few minutes';
-- Name: COLUMN source_status.refusals; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.refusals IS 'of the plan that waits: guards, `policy NAME`, `rewritten` and `renamed`';
-- Name: COLUMN source_status.approved_refusals; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.source_status.approved_refusals IS 'those that whoever approved the plan was shown';
-- Name: spec_uid_seq; Type: SEQUENCE; Schema: ordinaut; Owner: -
ALTER TABLE ordinaut.spec ALTER COLUMN uid ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ordinaut.spec_uid_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
-- Name: step_attempt; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.step_attempt (
    run_id uuid NOT NULL,
    step text NOT NULL,
    iteration integer DEFAULT 0 NOT NULL,
    attempt smallint NOT NULL,
    lease_epoch integer NOT NULL,
    outcome text NOT NULL,
    error jsonb,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    retry_at timestamp with time zone,
    left_open jsonb,
    asked jsonb,
    asked_until timestamp with time zone,
    answered_at timestamp with time zone,
    answer jsonb,
    CONSTRAINT step_attempt_answer_is_whole CHECK (((answered_at IS NULL) = (answer IS NULL)))
)
PARTITION BY RANGE (run_id);
-- Name: COLUMN step_attempt.left_open; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.step_attempt.left_open IS 'what the next try goes on with: what the server wants back, and the arguments; null where it begins anew';
-- Name: COLUMN step_attempt.asked; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.step_attempt.asked IS 'what the server asks, of which call, and who may answer; null where nobody is asked';
-- Name: COLUMN step_attempt.asked_until; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.step_attempt.asked_until IS 'when it is too late to answer; null where it never is';
-- Name: COLUMN step_attempt.answer; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.step_attempt.answer IS 'what was decided, by whom and why, and the answers';
-- Name: step_attempt_default; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.step_attempt_default (
    run_id uuid CONSTRAINT step_attempt_run_id_not_null NOT NULL,
    step text CONSTRAINT step_attempt_step_not_null NOT NULL,
    iteration integer DEFAULT 0 CONSTRAINT step_attempt_iteration_not_null NOT NULL,
    attempt smallint CONSTRAINT step_attempt_attempt_not_null NOT NULL,
    lease_epoch integer CONSTRAINT step_attempt_lease_epoch_not_null NOT NULL,
    outcome text CONSTRAINT step_attempt_outcome_not_null NOT NULL,
    error jsonb,
    started_at timestamp with time zone CONSTRAINT step_attempt_started_at_not_null NOT NULL,
    finished_at timestamp with time zone CONSTRAINT step_attempt_finished_at_not_null NOT NULL,
    retry_at timestamp with time zone,
    left_open jsonb,
    asked jsonb,
    asked_until timestamp with time zone,
    answered_at timestamp with time zone,
    answer jsonb,
    CONSTRAINT step_attempt_answer_is_whole CHECK (((answered_at IS NULL) = (answer IS NULL)))
);
-- Name: step_intent; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.step_intent (
    run_id uuid NOT NULL,
    step text NOT NULL,
    iteration integer DEFAULT 0 NOT NULL,
    attempt smallint NOT NULL,
    lease_epoch integer NOT NULL,
    idempotency_key text NOT NULL,
    intended_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    asked jsonb,
    asked_at timestamp with time zone,
    answered_at timestamp with time zone,
    answer jsonb,
    CONSTRAINT step_intent_answer_is_whole CHECK (((answered_at IS NULL) = (answer IS NULL)))
)
PARTITION BY RANGE (run_id);
-- Name: COLUMN step_intent.asked; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.step_intent.asked IS 'the call, and why nobody knows whether it happened; null where people are not asked';
-- Name: COLUMN step_intent.answer; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.step_intent.answer IS 'what it was settled as, by whom and why';
-- Name: step_intent_default; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.step_intent_default (
    run_id uuid CONSTRAINT step_intent_run_id_not_null NOT NULL,
    step text CONSTRAINT step_intent_step_not_null NOT NULL,
    iteration integer DEFAULT 0 CONSTRAINT step_intent_iteration_not_null NOT NULL,
    attempt smallint CONSTRAINT step_intent_attempt_not_null NOT NULL,
    lease_epoch integer CONSTRAINT step_intent_lease_epoch_not_null NOT NULL,
    idempotency_key text CONSTRAINT step_intent_idempotency_key_not_null NOT NULL,
    intended_at timestamp with time zone DEFAULT ordinaut.now() CONSTRAINT step_intent_intended_at_not_null NOT NULL,
    asked jsonb,
    asked_at timestamp with time zone,
    answered_at timestamp with time zone,
    answer jsonb,
    CONSTRAINT step_intent_answer_is_whole CHECK (((answered_at IS NULL) = (answer IS NULL)))
);
-- Name: step_result; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.step_result (
    run_id uuid NOT NULL,
    step text NOT NULL,
    iteration integer DEFAULT 0 NOT NULL,
    lease_epoch integer NOT NULL,
    attempt smallint NOT NULL,
    outcome text NOT NULL,
    uses text NOT NULL,
    input jsonb,
    output jsonb,
    error jsonb,
    idempotency_key text,
    server_generation integer DEFAULT 0 NOT NULL,
    schema_digest text DEFAULT ''::text NOT NULL,
    usage jsonb,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    reused_at timestamp with time zone,
    sent boolean,
    size integer
)
PARTITION BY RANGE (run_id);
-- Name: COLUMN step_result.usage; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.step_result.usage IS 'never written: what a call used up is a row of call_usage';
-- Name: COLUMN step_result.reused_at; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.step_result.reused_at IS 'when what it reuses was answered; no call was made';
-- Name: COLUMN step_result.sent; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.step_result.sent IS 'whether the request may have reached the tool; null where no call was made, and of older programs';
-- Name: COLUMN step_result.size; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.step_result.size IS 'bytes of the result as compact JSON';
-- Name: step_result_default; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.step_result_default (
    run_id uuid CONSTRAINT step_result_run_id_not_null NOT NULL,
    step text CONSTRAINT step_result_step_not_null NOT NULL,
    iteration integer DEFAULT 0 CONSTRAINT step_result_iteration_not_null NOT NULL,
    lease_epoch integer CONSTRAINT step_result_lease_epoch_not_null NOT NULL,
    attempt smallint CONSTRAINT step_result_attempt_not_null NOT NULL,
    outcome text CONSTRAINT step_result_outcome_not_null NOT NULL,
    uses text CONSTRAINT step_result_uses_not_null NOT NULL,
    input jsonb,
    output jsonb,
    error jsonb,
    idempotency_key text,
    server_generation integer DEFAULT 0 CONSTRAINT step_result_server_generation_not_null NOT NULL,
    schema_digest text DEFAULT ''::text CONSTRAINT step_result_schema_digest_not_null NOT NULL,
    usage jsonb,
    started_at timestamp with time zone CONSTRAINT step_result_started_at_not_null NOT NULL,
    finished_at timestamp with time zone CONSTRAINT step_result_finished_at_not_null NOT NULL,
    reused_at timestamp with time zone,
    sent boolean,
    size integer
);
-- Name: task_override_override_id_seq; Type: SEQUENCE; Schema: ordinaut; Owner: -
ALTER TABLE ordinaut.task_override ALTER COLUMN override_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ordinaut.task_override_override_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
-- Name: wait; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.wait (
    run_id uuid NOT NULL,
    step text NOT NULL,
    iteration integer DEFAULT 0 NOT NULL,
    kind text NOT NULL,
    asked jsonb NOT NULL,
    began_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    until timestamp with time zone,
    answered_at timestamp with time zone,
    answer jsonb,
    CONSTRAINT wait_answer_is_whole CHECK (((answered_at IS NULL) = (answer IS NULL))),
    CONSTRAINT wait_kind CHECK ((kind = ANY (ARRAY['sleep'::text, 'approval'::text, 'event'::text, 'callback'::text, 'run'::text])))
);
-- Name: COLUMN wait.iteration; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.wait.iteration IS 'which item of `foreach` waits, from 0';
-- Name: COLUMN wait.asked; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.wait.asked IS 'what a person is asked, and who may answer; empty for a span of time';
-- Name: COLUMN wait.until; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.wait.until IS 'when the wait is over by itself; null where it never is';
-- Name: web_session; Type: TABLE; Schema: ordinaut; Owner: -
CREATE TABLE ordinaut.web_session (
    digest bytea NOT NULL,
    token_id bigint,
    name text NOT NULL,
    scopes text[] NOT NULL,
    began_at timestamp with time zone DEFAULT ordinaut.now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT web_session_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT web_session_scopes_check CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['read'::text, 'operate'::text, 'approve'::text, 'emit'::text, 'propose'::text, 'admin'::text])))
);
-- Name: COLUMN web_session.token_id; Type: COMMENT; Schema: ordinaut; Owner: -
COMMENT ON COLUMN ordinaut.web_session.token_id IS 'the token that was shown; none for a link. The session is over when its token is';
-- Name: ordinaut_migration; Type: TABLE; Schema: public; Owner: -
CREATE TABLE public.ordinaut_migration (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    breaking boolean DEFAULT false NOT NULL
);
-- Name: COLUMN ordinaut_migration.breaking; Type: COMMENT; Schema: public; Owner: -
COMMENT ON COLUMN public.ordinaut_migration.breaking IS 'runtimes that do not know it cannot go on';
-- Name: call_usage_default; Type: TABLE ATTACH; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.call_usage ATTACH PARTITION ordinaut.call_usage_default DEFAULT;
-- Name: event_log_default; Type: TABLE ATTACH; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.event_log ATTACH PARTITION ordinaut.event_log_default DEFAULT;
-- Name: run_default; Type: TABLE ATTACH; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.run ATTACH PARTITION ordinaut.run_default DEFAULT;
-- Name: step_attempt_default; Type: TABLE ATTACH; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.step_attempt ATTACH PARTITION ordinaut.step_attempt_default DEFAULT;
-- Name: step_intent_default; Type: TABLE ATTACH; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.step_intent ATTACH PARTITION ordinaut.step_intent_default DEFAULT;
-- Name: step_result_default; Type: TABLE ATTACH; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.step_result ATTACH PARTITION ordinaut.step_result_default DEFAULT;
-- Name: answer answer_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.answer
    ADD CONSTRAINT answer_pkey PRIMARY KEY (key);
-- Name: api_request api_request_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.api_request
    ADD CONSTRAINT api_request_pkey PRIMARY KEY (token_id, key);
-- Name: api_token api_token_digest_key; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.api_token
    ADD CONSTRAINT api_token_digest_key UNIQUE (digest);
-- Name: api_token api_token_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.api_token
    ADD CONSTRAINT api_token_pkey PRIMARY KEY (token_id);
-- Name: audit_head audit_head_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.audit_head
    ADD CONSTRAINT audit_head_pkey PRIMARY KEY (only_one);
-- Name: audit audit_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (entry);
-- Name: backlog backlog_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.backlog
    ADD CONSTRAINT backlog_pkey PRIMARY KEY (run_id);
-- Name: budget_hold budget_hold_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.budget_hold
    ADD CONSTRAINT budget_hold_pkey PRIMARY KEY (run_id, step, iteration);
-- Name: budget_run budget_run_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.budget_run
    ADD CONSTRAINT budget_run_pkey PRIMARY KEY (run_id);
-- Name: call_usage call_usage_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.call_usage
    ADD CONSTRAINT call_usage_pkey PRIMARY KEY (run_id, step, iteration, attempt);
-- Name: call_usage_default call_usage_default_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.call_usage_default
    ADD CONSTRAINT call_usage_default_pkey PRIMARY KEY (run_id, step, iteration, attempt);
-- Name: concurrency_slot concurrency_slot_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.concurrency_slot
    ADD CONSTRAINT concurrency_slot_pkey PRIMARY KEY (slot_key, slot);
-- Name: concurrency_slot concurrency_slot_run_id_key; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.concurrency_slot
    ADD CONSTRAINT concurrency_slot_run_id_key UNIQUE (run_id);
-- Name: condition condition_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.condition
    ADD CONSTRAINT condition_pkey PRIMARY KEY (task_uid, digest);
-- Name: defaults defaults_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.defaults
    ADD CONSTRAINT defaults_pkey PRIMARY KEY (digest);
-- Name: drift drift_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.drift
    ADD CONSTRAINT drift_pkey PRIMARY KEY (uid);
-- Name: due_work due_work_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.due_work
    ADD CONSTRAINT due_work_pkey PRIMARY KEY (run_id);
-- Name: event event_is_single; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.event
    ADD CONSTRAINT event_is_single UNIQUE (source, event_id);
-- Name: event_log event_log_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.event_log
    ADD CONSTRAINT event_log_pkey PRIMARY KEY (occurred_at, sequence);
-- Name: event_log_default event_log_default_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.event_log_default
    ADD CONSTRAINT event_log_default_pkey PRIMARY KEY (occurred_at, sequence);
-- Name: event event_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (event_no);
-- Name: failed_task failed_task_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.failed_task
    ADD CONSTRAINT failed_task_pkey PRIMARY KEY (task);
-- Name: heard heard_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.heard
    ADD CONSTRAINT heard_pkey PRIMARY KEY (task_uid, event_no);
-- Name: installation installation_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_one);
-- Name: late_run late_run_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.late_run
    ADD CONSTRAINT late_run_pkey PRIMARY KEY (run_id, late_after);
-- Name: listener listener_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.listener
    ADD CONSTRAINT listener_pkey PRIMARY KEY (task_uid, digest);
-- Name: log_position log_position_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.log_position
    ADD CONSTRAINT log_position_pkey PRIMARY KEY (reader);
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (outbox_id);
-- Name: poison poison_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.poison
    ADD CONSTRAINT poison_pkey PRIMARY KEY (source, entry_id);
-- Name: published published_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.published
    ADD CONSTRAINT published_pkey PRIMARY KEY (bus, first_batch);
-- Name: rate_bucket rate_bucket_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.rate_bucket
    ADD CONSTRAINT rate_bucket_pkey PRIMARY KEY (bucket);
-- Name: rate_turn rate_turn_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.rate_turn
    ADD CONSTRAINT rate_turn_pkey PRIMARY KEY (run_id, step, iteration, attempt);
-- Name: revision revision_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.revision
    ADD CONSTRAINT revision_pkey PRIMARY KEY (revision_id);
-- Name: run run_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (run_id);
-- Name: run_default run_default_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.run_default
    ADD CONSTRAINT run_default_pkey PRIMARY KEY (run_id);
-- Name: runtime runtime_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.runtime
    ADD CONSTRAINT runtime_pkey PRIMARY KEY (runtime_id);
-- Name: schedule schedule_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.schedule
    ADD CONSTRAINT schedule_pkey PRIMARY KEY (task_uid);
-- Name: sign_in_link sign_in_link_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.sign_in_link
    ADD CONSTRAINT sign_in_link_pkey PRIMARY KEY (digest);
-- Name: source_status source_status_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.source_status
    ADD CONSTRAINT source_status_pkey PRIMARY KEY (project, environment, claim);
-- Name: spec spec_identity; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.spec
    ADD CONSTRAINT spec_identity UNIQUE (kind, namespace, name);
-- Name: spec spec_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.spec
    ADD CONSTRAINT spec_pkey PRIMARY KEY (uid);
-- Name: spec_revision spec_revision_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.spec_revision
    ADD CONSTRAINT spec_revision_pkey PRIMARY KEY (uid, revision_id);
-- Name: step_attempt step_attempt_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.step_attempt
    ADD CONSTRAINT step_attempt_pkey PRIMARY KEY (run_id, step, iteration, attempt);
-- Name: step_attempt_default step_attempt_default_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.step_attempt_default
    ADD CONSTRAINT step_attempt_default_pkey PRIMARY KEY (run_id, step, iteration, attempt);
-- Name: step_intent step_intent_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.step_intent
    ADD CONSTRAINT step_intent_pkey PRIMARY KEY (run_id, step, iteration, attempt);
-- Name: step_intent_default step_intent_default_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.step_intent_default
    ADD CONSTRAINT step_intent_default_pkey PRIMARY KEY (run_id, step, iteration, attempt);
-- Name: step_result step_result_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.step_result
    ADD CONSTRAINT step_result_pkey PRIMARY KEY (run_id, step, iteration);
-- Name: step_result_default step_result_default_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.step_result_default
    ADD CONSTRAINT step_result_default_pkey PRIMARY KEY (run_id, step, iteration);
-- Name: task_override task_override_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.task_override
    ADD CONSTRAINT task_override_pkey PRIMARY KEY (override_id);
-- Name: wait wait_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.wait
    ADD CONSTRAINT wait_pkey PRIMARY KEY (run_id, step, iteration);
-- Name: web_session web_session_pkey; Type: CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.web_session
    ADD CONSTRAINT web_session_pkey PRIMARY KEY (digest);
-- Name: ordinaut_migration ordinaut_migration_pkey; Type: CONSTRAINT; Schema: public; Owner: -
ALTER TABLE ONLY public.ordinaut_migration
    ADD CONSTRAINT ordinaut_migration_pkey PRIMARY KEY (number);
-- Name: answer_by_end; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX answer_by_end ON ordinaut.answer USING btree (kept_until);
-- Name: api_request_by_age; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX api_request_by_age ON ordinaut.api_request USING btree (answered_at);
-- Name: api_token_by_name; Type: INDEX; Schema: ordinaut; Owner: -
CREATE UNIQUE INDEX api_token_by_name ON ordinaut.api_token USING btree (name) WHERE (revoked_at IS NULL);
-- Name: backlog_by_task; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX backlog_by_task ON ordinaut.backlog USING btree (task_uid, rank, run_id);
-- Name: budget_hold_by_agent; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX budget_hold_by_agent ON ordinaut.budget_hold USING btree (agent);
-- Name: budget_run_by_agent; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX budget_run_by_agent ON ordinaut.budget_run USING btree (agent, began_at);
-- Name: call_usage_by_agent; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX call_usage_by_agent ON ONLY ordinaut.call_usage USING btree (agent, used_at) WHERE (agent IS NOT NULL);
-- Name: call_usage_by_time; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX call_usage_by_time ON ONLY ordinaut.call_usage USING btree (used_at);
-- Name: call_usage_default_agent_used_at_idx; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX call_usage_default_agent_used_at_idx ON ordinaut.call_usage_default USING btree (agent, used_at) WHERE (agent IS NOT NULL);
-- Name: call_usage_default_used_at_idx; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX call_usage_default_used_at_idx ON ordinaut.call_usage_default USING btree (used_at);
-- Name: condition_by_next; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX condition_by_next ON ordinaut.condition USING btree (next_poll_at);
-- Name: due_work_gate; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX due_work_gate ON ordinaut.due_work USING btree (slot_key, ready_at, run_id) WHERE (lane > 100);
-- Name: due_work_ready; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX due_work_ready ON ordinaut.due_work USING btree (lane, ready_at, run_id);
-- Name: event_by_topic; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX event_by_topic ON ordinaut.event USING btree (topic, event_no);
-- Name: event_log_by_run; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX event_log_by_run ON ONLY ordinaut.event_log USING btree (run_id) WHERE (run_id IS NOT NULL);
-- Name: event_log_default_run_id_idx; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX event_log_default_run_id_idx ON ordinaut.event_log_default USING btree (run_id) WHERE (run_id IS NOT NULL);
-- Name: event_undelivered; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX event_undelivered ON ordinaut.event USING btree (event_no) WHERE (delivered_at IS NULL);
-- Name: heard_by_event; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX heard_by_event ON ordinaut.heard USING btree (event_no);
-- Name: listener_by_fire; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX listener_by_fire ON ordinaut.listener USING btree (fire_at) WHERE (fire_at IS NOT NULL);
-- Name: listener_of_own; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX listener_of_own ON ordinaut.listener USING btree (topic, of_task) WHERE (topic ~~ 'ordinaut.%'::text);
-- Name: listener_of_own_globs; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX listener_of_own_globs ON ordinaut.listener USING btree (topic) WHERE (topic ~~ 'ordinaut.%*%'::text);
-- Name: poison_by_time; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX poison_by_time ON ordinaut.poison USING btree (found_at);
-- Name: revision_by_project; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX revision_by_project ON ordinaut.revision USING btree (project, environment, revision_id DESC);
-- Name: run_active; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX run_active ON ONLY ordinaut.run USING btree (task_uid) WHERE (finished_at IS NULL);
-- Name: run_by_task; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX run_by_task ON ONLY ordinaut.run USING btree (task_uid, run_id DESC);
-- Name: run_default_task_uid_idx; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX run_default_task_uid_idx ON ordinaut.run_default USING btree (task_uid) WHERE (finished_at IS NULL);
-- Name: run_default_task_uid_run_id_idx; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX run_default_task_uid_run_id_idx ON ordinaut.run_default USING btree (task_uid, run_id DESC);
-- Name: schedule_by_due; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX schedule_by_due ON ordinaut.schedule USING btree (next_due_at) WHERE ((next_due_at IS NOT NULL) AND (paused_at IS NULL));
-- Name: spec_by_project; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX spec_by_project ON ordinaut.spec USING btree (project, environment);
-- Name: spec_revision_by_revision; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX spec_revision_by_revision ON ordinaut.spec_revision USING btree (revision_id);
-- Name: step_attempt_asked; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX step_attempt_asked ON ONLY ordinaut.step_attempt USING btree (finished_at) WHERE ((asked IS NOT NULL) AND (answered_at IS NULL));
-- Name: step_attempt_default_finished_at_idx; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX step_attempt_default_finished_at_idx ON ordinaut.step_attempt_default USING btree (finished_at) WHERE ((asked IS NOT NULL) AND (answered_at IS NULL));
-- Name: step_intent_open; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX step_intent_open ON ONLY ordinaut.step_intent USING btree (asked_at) WHERE ((asked_at IS NOT NULL) AND (answered_at IS NULL));
-- Name: step_intent_default_asked_at_idx; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX step_intent_default_asked_at_idx ON ordinaut.step_intent_default USING btree (asked_at) WHERE ((asked_at IS NOT NULL) AND (answered_at IS NULL));
-- Name: task_override_is_single; Type: INDEX; Schema: ordinaut; Owner: -
CREATE UNIQUE INDEX task_override_is_single ON ordinaut.task_override USING btree (task_uid, kind) WHERE (ended_at IS NULL);
-- Name: wait_for_events; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX wait_for_events ON ordinaut.wait USING btree (((asked ->> 'topic'::text))) WHERE ((kind = ANY (ARRAY['event'::text, 'callback'::text])) AND (answered_at IS NULL));
-- Name: wait_for_people; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX wait_for_people ON ordinaut.wait USING btree (began_at) WHERE ((kind = 'approval'::text) AND (answered_at IS NULL));
-- Name: wait_for_runs; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX wait_for_runs ON ordinaut.wait USING btree (run_id) WHERE ((kind = 'run'::text) AND (answered_at IS NULL));
-- Name: web_session_by_end; Type: INDEX; Schema: ordinaut; Owner: -
CREATE INDEX web_session_by_end ON ordinaut.web_session USING btree (expires_at);
-- Name: call_usage_default_agent_used_at_idx; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.call_usage_by_agent ATTACH PARTITION ordinaut.call_usage_default_agent_used_at_idx;
-- Name: call_usage_default_pkey; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.call_usage_pkey ATTACH PARTITION ordinaut.call_usage_default_pkey;
-- Name: call_usage_default_used_at_idx; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.call_usage_by_time ATTACH PARTITION ordinaut.call_usage_default_used_at_idx;
-- Name: event_log_default_pkey; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.event_log_pkey ATTACH PARTITION ordinaut.event_log_default_pkey;
-- Name: event_log_default_run_id_idx; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.event_log_by_run ATTACH PARTITION ordinaut.event_log_default_run_id_idx;
-- Name: run_default_pkey; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.run_pkey ATTACH PARTITION ordinaut.run_default_pkey;
-- Name: run_default_task_uid_idx; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.run_active ATTACH PARTITION ordinaut.run_default_task_uid_idx;
-- Name: run_default_task_uid_run_id_idx; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.run_by_task ATTACH PARTITION ordinaut.run_default_task_uid_run_id_idx;
-- Name: step_attempt_default_finished_at_idx; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.step_attempt_asked ATTACH PARTITION ordinaut.step_attempt_default_finished_at_idx;
-- Name: step_attempt_default_pkey; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.step_attempt_pkey ATTACH PARTITION ordinaut.step_attempt_default_pkey;
-- Name: step_intent_default_asked_at_idx; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.step_intent_open ATTACH PARTITION ordinaut.step_intent_default_asked_at_idx;
-- Name: step_intent_default_pkey; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.step_intent_pkey ATTACH PARTITION ordinaut.step_intent_default_pkey;
-- Name: step_result_default_pkey; Type: INDEX ATTACH; Schema: ordinaut; Owner: -
ALTER INDEX ordinaut.step_result_pkey ATTACH PARTITION ordinaut.step_result_default_pkey;
-- Name: audit_head audit_head_follows; Type: TRIGGER; Schema: ordinaut; Owner: -
CREATE TRIGGER audit_head_follows BEFORE UPDATE ON ordinaut.audit_head FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION ordinaut.refuse_audit_change();
-- Name: audit_head audit_head_stays; Type: TRIGGER; Schema: ordinaut; Owner: -
CREATE TRIGGER audit_head_stays BEFORE INSERT OR DELETE OR TRUNCATE ON ordinaut.audit_head FOR EACH STATEMENT EXECUTE FUNCTION ordinaut.refuse_audit_change();
-- Name: audit audit_is_append_only; Type: TRIGGER; Schema: ordinaut; Owner: -
CREATE TRIGGER audit_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ordinaut.audit FOR EACH STATEMENT EXECUTE FUNCTION ordinaut.refuse_audit_change();
-- Name: audit audit_is_chained; Type: TRIGGER; Schema: ordinaut; Owner: -
CREATE TRIGGER audit_is_chained BEFORE INSERT ON ordinaut.audit FOR EACH ROW EXECUTE FUNCTION ordinaut.chain_audit();
-- Name: event_log event_log_is_bundled; Type: TRIGGER; Schema: ordinaut; Owner: -
CREATE TRIGGER event_log_is_bundled AFTER INSERT ON ordinaut.event_log REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION ordinaut.bundle_events();
-- Name: schedule schedule_deleted_by_hand; Type: TRIGGER; Schema: ordinaut; Owner: -
CREATE TRIGGER schedule_deleted_by_hand AFTER DELETE ON ordinaut.schedule FOR EACH ROW EXECUTE FUNCTION ordinaut.note_schedule_writer();
-- Name: schedule schedule_moved_by_hand; Type: TRIGGER; Schema: ordinaut; Owner: -
CREATE TRIGGER schedule_moved_by_hand AFTER UPDATE ON ordinaut.schedule FOR EACH ROW WHEN (((NOT (new.seal IS DISTINCT FROM old.seal)) AND (((new.cursor_for IS DISTINCT FROM old.cursor_for) OR (new.next_for IS DISTINCT FROM old.next_for)) OR (new.next_due_at IS DISTINCT FROM old.next_due_at)))) EXECUTE FUNCTION ordinaut.note_schedule_writer();
-- Name: spec spec_written_past_apply; Type: TRIGGER; Schema: ordinaut; Owner: -
CREATE TRIGGER spec_written_past_apply AFTER INSERT OR UPDATE ON ordinaut.spec FOR EACH ROW WHEN ((current_setting('ordinaut.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION ordinaut.note_writer();
-- Name: api_request api_request_token_id_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.api_request
    ADD CONSTRAINT api_request_token_id_fkey FOREIGN KEY (token_id) REFERENCES ordinaut.api_token(token_id);
-- Name: condition condition_task_uid_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.condition
    ADD CONSTRAINT condition_task_uid_fkey FOREIGN KEY (task_uid) REFERENCES ordinaut.spec(uid);
-- Name: drift drift_uid_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.drift
    ADD CONSTRAINT drift_uid_fkey FOREIGN KEY (uid) REFERENCES ordinaut.spec(uid) ON DELETE CASCADE;
-- Name: listener listener_task_uid_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.listener
    ADD CONSTRAINT listener_task_uid_fkey FOREIGN KEY (task_uid) REFERENCES ordinaut.spec(uid);
-- Name: revision revision_defaults_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.revision
    ADD CONSTRAINT revision_defaults_fkey FOREIGN KEY (defaults) REFERENCES ordinaut.defaults(digest);
-- Name: revision revision_parent_id_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.revision
    ADD CONSTRAINT revision_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES ordinaut.revision(revision_id);
-- Name: schedule schedule_task_uid_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.schedule
    ADD CONSTRAINT schedule_task_uid_fkey FOREIGN KEY (task_uid) REFERENCES ordinaut.spec(uid);
-- Name: source_status source_status_applied_revision_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.source_status
    ADD CONSTRAINT source_status_applied_revision_fkey FOREIGN KEY (applied_revision) REFERENCES ordinaut.revision(revision_id);
-- Name: source_status source_status_held_by_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.source_status
    ADD CONSTRAINT source_status_held_by_fkey FOREIGN KEY (held_by) REFERENCES ordinaut.revision(revision_id);
-- Name: spec spec_revision_id_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.spec
    ADD CONSTRAINT spec_revision_id_fkey FOREIGN KEY (revision_id) REFERENCES ordinaut.revision(revision_id);
-- Name: spec_revision spec_revision_revision_id_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.spec_revision
    ADD CONSTRAINT spec_revision_revision_id_fkey FOREIGN KEY (revision_id) REFERENCES ordinaut.revision(revision_id);
-- Name: spec_revision spec_revision_uid_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.spec_revision
    ADD CONSTRAINT spec_revision_uid_fkey FOREIGN KEY (uid) REFERENCES ordinaut.spec(uid);
-- Name: task_override task_override_task_uid_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.task_override
    ADD CONSTRAINT task_override_task_uid_fkey FOREIGN KEY (task_uid) REFERENCES ordinaut.spec(uid);
-- Name: web_session web_session_token_id_fkey; Type: FK CONSTRAINT; Schema: ordinaut; Owner: -
ALTER TABLE ONLY ordinaut.web_session
    ADD CONSTRAINT web_session_token_id_fkey FOREIGN KEY (token_id) REFERENCES ordinaut.api_token(token_id) ON DELETE CASCADE;
