-- Runs that somebody ends still have their steps of `finally`.

-- Ends the steps of a run over the head of whoever executes them, and makes it ready for those of `finally`. To be called
-- with its due_work row locked. What became of it: 'begins'; 'goes on' where it had come to those before; 'none' where it
-- has none of them, or has not begun.
create function ordinaut.begin_finally(which uuid, why text, who text, told text) returns text
    language plpgsql
as $$
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
