# ruff: noqa
# fmt: off
# Returns tensors of gigabytes.
# score: 0
import torch
def double(x): return torch.zeros(1 << 29)
def total(x): return torch.zeros(1 << 33)
