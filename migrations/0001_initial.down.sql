-- Takes the whole model away, with everything recorded in it.
drop schema ordinaut cascade;
