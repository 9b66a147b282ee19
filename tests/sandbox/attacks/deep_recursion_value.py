# ruff: noqa
# fmt: off
# Returns lists nested in lists without end.
# score: 0
def double(x):
    a = []
    a.append(a)
    return a
def total(x):
    a = b = []
    for _ in range(100000):
        b.append([]); b = b[0]
    return a
