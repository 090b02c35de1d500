-- The role stays: other databases of the server may use it.
drop function ordinaut.run_statement(text, jsonb, integer);
