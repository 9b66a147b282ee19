# ruff: noqa
# fmt: off
# Forks twice so that two processes answer.
# score: 0
import os
os.fork()
def double(x): return None
def total(x): return None
