# ruff: noqa
# fmt: off
# A gradient of the wrong shape.
# score: 8
import torch
class Bad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return 2 * x
    @staticmethod
    def backward(ctx, g): return g * 0 + 3
def double(x): return Bad.apply(x)
def total(x): return x.sum()
