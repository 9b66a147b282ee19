"""``python -m autograder doctor``: which isolation tiers work here, and why the others do not."""

import os
import platform
import sys
from collections.abc import Sequence

from autograder.sandbox.isolation import TIERS
from autograder.sandbox.isolation.choose import why_not


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report.

    Returns:
        0 if submissions can be graded here, 1 if no tier works.
    """
    del arguments
    user = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    print(
        f"Isolation on {platform.system()} {platform.release()}, {platform.machine()}, as {user}:"
    )
    reasons = {tier: why_not(tier) for tier in TIERS}
    for tier, reason in reasons.items():
        print(f"  {tier:<11} {'works' if reason is None else f'does not work: {reason}'}")
    working = [tier for tier, reason in reasons.items() if reason is None]
    if working:
        print(f"Submissions will be graded under {working[0]}.")
        return 0
    print(
        "Nothing can be graded here: student code is never run without isolation.", file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
