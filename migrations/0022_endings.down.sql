-- Runs that are cancelled end where they are.
drop function ordinaut.begin_finally;
