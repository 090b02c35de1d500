"""PostgreSQL: the only DML in the project, one module a table group."""
