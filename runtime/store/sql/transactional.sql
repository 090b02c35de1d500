-- name: limit_statement
-- For the transaction.
select set_config('statement_timeout', %(milliseconds)s::text, true);

-- name: run_statement
-- A statement of a step, as the role that can touch nothing of ours.
select ordinaut.run_statement(%(statement)s, %(parameters)s, %(most_rows)s) as rows;

-- name: forget_settings
-- What a statement may have set for what follows on the connection.
reset all;

-- name: keep_lease
-- Waits for whoever writes the same run, and lets nobody else do so.
-- Locks: the due_work row.
select 1 from ordinaut.due_work where run_id = %(run_id)s and lease_epoch = %(lease_epoch)s for update;

-- name: find_result
select output from ordinaut.step_result
where run_id = %(run_id)s and step = %(step)s and iteration = %(iteration)s and outcome = 'ok';
