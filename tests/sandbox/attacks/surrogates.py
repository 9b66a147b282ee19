# ruff: noqa
# fmt: off
# Text that is no text: lone surrogates in what is printed, raised and returned.
# score: 5
# verdict: error
def double(x):
    print("\ud800" * 100)
    raise type("\udfff" * 50, (Exception,), {})("\ud800\x00" * 100)
def total(x): return x.sum()
