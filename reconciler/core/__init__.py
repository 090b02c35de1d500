"""Pure parts of the reconciler: values in, values out; no I/O, and `now` is a parameter."""
