-- What follows the event log begins anew, with what happens from then on.
drop table ordinaut.log_position;
