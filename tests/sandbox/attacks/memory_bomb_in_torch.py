# ruff: noqa
# fmt: off
# Takes memory through torch.
# score: 5
# verdict: out of memory
import torch
def double(x):
    kept = []
    while True: kept.append(torch.empty(1 << 26))
def total(x): return x.sum()
