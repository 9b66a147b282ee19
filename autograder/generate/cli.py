"""``python -m autograder generate``, ``stale`` and ``mutants``."""

import sys


def main(command: str, *arguments: str) -> int:
    """Run an author's command; return the exit status. Errors of an author's file become one line."""
    if command == "mutants":
        from autograder.generate.mutants import main as mutants

        return mutants(list(arguments))
    from autograder.generate.write import check_stale, generate

    try:
        return generate() if command == "generate" else check_stale()
    except (SyntaxError, ValueError) as error:
        print(f"{command}: nothing was written. {type(error).__name__}: {error}", file=sys.stderr)
        return 1
