# ruff: noqa
# fmt: off
# Ends the process at import.
# score: 0
# verdict: crash
import os
os._exit(0)
