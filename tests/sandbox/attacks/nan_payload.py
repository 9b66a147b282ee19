# ruff: noqa
# fmt: off
# NaNs with payloads, bools of 7.
# score: 0
import torch
def double(x): return torch.tensor([0x7fc12345] * 3, dtype=torch.int32).view(torch.float32)
def total(x): return torch.tensor([7], dtype=torch.uint8).view(torch.bool)
