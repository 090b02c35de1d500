-- Tables that are made of what is kept, and may be made again at any time.

create schema consolidated;
