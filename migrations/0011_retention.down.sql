drop function ordinaut.drop_partition(text, text, timestamptz, integer);
drop function ordinaut.make_partition(text, text);
