# ruff: noqa
# fmt: off
# Reads address zero.
# score: 5
# verdict: crash
import ctypes
def double(x): ctypes.string_at(0)
def total(x): return x.sum()
