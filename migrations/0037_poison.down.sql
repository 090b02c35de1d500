-- What was set aside is forgotten.
drop table ordinaut.poison;
