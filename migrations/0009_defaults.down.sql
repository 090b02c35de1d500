alter table ordinaut.revision drop column defaults;
drop table ordinaut.defaults;
