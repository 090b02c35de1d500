alter table ordinaut.run drop column progress;
