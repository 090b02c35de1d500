drop table if exists {old};
alter table {new} rename to {name};
