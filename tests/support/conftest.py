"""Hypothesis in this folder: few examples, the same ones every time, nothing written to disk."""

from hypothesis import settings

settings.register_profile(
    "support", max_examples=15, deadline=None, derandomize=True, database=None
)
settings.load_profile("support")
