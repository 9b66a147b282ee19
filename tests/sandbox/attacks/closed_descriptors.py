# ruff: noqa
# fmt: off
# Closes every descriptor.
# score: 0
# verdict: crash
import os
def double(x): os.closerange(0, 4096)
def total(x): os.closerange(0, 4096)
