# ruff: noqa
# fmt: off
# A tensor that is small here and huge when copied.
# score: 0
import torch
def double(x): return torch.zeros(1).expand(1 << 40)
def total(x): return torch.zeros(1).expand(1 << 33)
