"""The author's solution of a small module that stands for a chapter in these tests."""

from torch import Tensor


def double(x: Tensor) -> Tensor:
    ### BEGIN SOLUTION 90.1
    return 2 * x
    ### END SOLUTION


def total(x: Tensor) -> Tensor:
    ### BEGIN SOLUTION 90.2
    return x.sum()
    ### END SOLUTION
