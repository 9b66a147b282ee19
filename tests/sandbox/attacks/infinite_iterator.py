# ruff: noqa
# fmt: off
# Returns an endless generator.
# score: 0
import itertools
def double(x): return itertools.count()
def total(x): return (1 for _ in iter(int, 1))
