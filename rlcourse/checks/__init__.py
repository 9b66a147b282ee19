"""Checks a student can run: instant, exact, and able to name the likely mistake."""

from rlcourse.checks.runner import CheckFailed, check

__all__ = ["CheckFailed", "check"]
