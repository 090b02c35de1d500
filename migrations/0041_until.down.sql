alter table ordinaut.listener drop column until;
