# ruff: noqa
# fmt: off
# Warnings and noise on stderr are no error.
# score: 10
import sys, warnings
warnings.simplefilter("always")
warnings.warn("noise")
print("noise", file=sys.stderr)
sys.stderr.write("more\n")

def double(x):
    return 2 * x


def total(x):
    return x.sum()
