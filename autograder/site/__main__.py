"""The command ``python -m autograder.site``: build the public or the instructor's site."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from autograder.site.build import ROOT, Site, SiteError, build_site
from autograder.site.toc import write_toc


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, build, and print the path of the first page; 1 if that failed."""
    options = _parser().parse_args(arguments)
    if options.toc:
        write_toc(ROOT / "book")
        return 0
    default = ROOT / "_build" / "instructor" if options.solutions else ROOT
    try:
        index = build_site(Site(ROOT, (options.output or default).resolve(), options.solutions))
    except SiteError as error:
        print(f"make book: {error}", file=sys.stderr)
        return 1
    print(f"\nThe site: {index}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autograder.site", description="Build the website of the course."
    )
    parser.add_argument(
        "--solutions", action="store_true", help="the instructor's site, with the solution pages"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write to DIR/_build/html instead of _build/html"
    )
    parser.add_argument(
        "--toc", action="store_true", help="write book/_toc.yml from rlcourse/chapters.py and stop"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
