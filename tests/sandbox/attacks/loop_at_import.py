# ruff: noqa
# fmt: off
# Loops at import.
# score: 0
# verdict: timeout
while True: pass
