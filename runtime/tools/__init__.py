"""Tool servers: one owner task each, dependable calls, built-in tools."""
