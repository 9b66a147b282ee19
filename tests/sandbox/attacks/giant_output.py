# ruff: noqa
# fmt: off
# Prints hundreds of megabytes.
# score: 10
import sys, os
line = "x" * (1 << 20)
for _ in range(300): print(line)
for _ in range(100): sys.stderr.write(line)
os.write(1, line.encode()); os.write(2, line.encode())

def double(x):
    return 2 * x


def total(x):
    return x.sum()
