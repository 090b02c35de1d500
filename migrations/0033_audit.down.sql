-- The audit log is lost: keep a copy of it, or its last hash, before this.
drop table ordinaut.audit cascade;
drop table ordinaut.audit_head cascade;
drop function if exists ordinaut.audit_hash(bytea, ordinaut.audit);
drop function ordinaut.chain_audit();
drop function ordinaut.refuse_audit_change();
