-- The door through which steps reach tables of yours, and no table of ours.

-- A role belongs to the whole server: another database may have made it. Who may not make roles lets an administrator do it.
do $$
begin
    create role ordinaut_sql nologin;
exception
    when duplicate_object or unique_violation or insufficient_privilege then null;
end
$$;

-- Runs one statement as its owner, who must be `ordinaut_sql`. PostgreSQL lets nobody change the role inside a function that
-- runs as its owner, whatever that function calls; `prepare` takes nothing but queries and changes of rows; and what a
-- trigger put off runs here, and not later as somebody else. The statement finds what is in `public`, or named in full.
create function ordinaut.run_statement(statement text, parameters jsonb, most_rows integer) returns jsonb
    language plpgsql security definer set search_path = public, pg_temp
as $$
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
revoke all on function ordinaut.run_statement(text, jsonb, integer) from public;

do $$
begin
    grant create on schema ordinaut to ordinaut_sql;
    execute format('grant ordinaut_sql to %I', current_user);
    alter function ordinaut.run_statement(text, jsonb, integer) owner to ordinaut_sql;
    revoke create on schema ordinaut from ordinaut_sql;
    execute format('grant execute on function ordinaut.run_statement(text, jsonb, integer) to %I', session_user);
exception
    when undefined_object or insufficient_privilege then null;
end
$$;
