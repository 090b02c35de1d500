alter table ordinaut.source_status drop column refusals, drop column approved_refusals;
