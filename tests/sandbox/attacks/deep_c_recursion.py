# ruff: noqa
# fmt: off
# Recurses until the C stack is full.
# score: 5
import sys, threading
def double(x):
    sys.setrecursionlimit(10 ** 9)
    class P: pass
    P.__call__ = P()
    return P()()
def total(x): return x.sum()
