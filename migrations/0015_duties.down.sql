alter table ordinaut.runtime drop column duties;
