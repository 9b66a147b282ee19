# ruff: noqa
# fmt: off
# Raises exceptions whose text raises, or claims to have passed.
# score: 0
class Worse(Exception):
    def __str__(self): raise RuntimeError("no text")
    __repr__ = __str__
class CheckPassed(Exception): pass
def double(x): raise Worse
def total(x): raise CheckPassed("passed, 10 points")
