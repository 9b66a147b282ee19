"""Isolation tiers, best first: namespaces, bubblewrap, Landlock with seccomp. No fourth, unsafe one."""

TIERS = ("namespaces", "bubblewrap", "landlock")
"""Names of the tiers in the order in which they are tried."""
