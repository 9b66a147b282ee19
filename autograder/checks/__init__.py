"""The author's side of the checks: cases, oracles, named mistakes and hidden parts. Never shipped."""

from autograder.checks.hidden import check_hidden

__all__ = ["check_hidden"]
