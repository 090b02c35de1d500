"""Pure parts of the runtime: values in, values out; no I/O, and `now` is a parameter."""
