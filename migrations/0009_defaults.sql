-- By which defaults documents were filled out: a program with others makes other bodies of what nobody edited.

create table ordinaut.defaults (
    digest text primary key,
    fields jsonb not null
);
comment on column ordinaut.defaults.fields is 'by kind and the name of a field: what it is when left out, as canonical JSON';

alter table ordinaut.revision add column defaults text references ordinaut.defaults;
comment on column ordinaut.revision.defaults is 'by which the documents it wrote were filled out; null where nobody remembered';
