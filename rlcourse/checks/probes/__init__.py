"""One module a chapter: laws, and probes that call a function and report what they saw."""
