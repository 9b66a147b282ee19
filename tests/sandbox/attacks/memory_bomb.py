# ruff: noqa
# fmt: off
# Takes memory without end.
# score: 5
# verdict: out of memory
def double(x):
    kept = []
    while True: kept.append(bytes(64 << 20))
def total(x): return x.sum()
