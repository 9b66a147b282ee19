# Generated from the authors' solutions/baselines.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401 (what the holes need is imported already)
r"""Chapter 3: variance and baselines.

Shapes: B trajectories or prompts, T steps, K samples for one prompt, P parameters of a policy, flattened.
``rewards[:, t]`` follows ``actions[:, t]``; ``mask`` is 1 where a step counts.
"""

import torch
from torch import Tensor, nn

from rlcourse.support.rollouts import Rollout


def gradient_samples(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    r"""One gradient of the REINFORCE loss for each trajectory, before anything is averaged.

    .. math:: g_b = \nabla_\theta \Bigl[ -\sum_t m_{bt}\, w_{bt} \log\pi_\theta(a_{bt} \mid s_{bt}) \Bigr]

    Their mean over b is the gradient of the loss of exercise 2.4. The weights are constants here.

    Args:
        policy: maps observations (..., D), or numbers of states (...), to logits (..., A); every parameter is used.
        rollout: B trajectories that this policy has played.
        weights: (B, T) return, reward-to-go or advantage of each step.

    Returns:
        (B, P) the parameters in the order of ``policy.parameters()``, each flattened.
    """
    # Exercise 3.1: your code here (9 lines in our solution).
    raise NotImplementedError("Exercise 3.1: write gradient_samples")


def gradient_variance(samples: Tensor) -> Tensor:
    r"""Total variance of a random vector, estimated without bias: the trace of its covariance.

    .. math:: \widehat{\operatorname{Var}}
              = \frac{1}{B-1} \sum_{b=1}^B \lVert g_b - \bar g \rVert^2,
              \qquad \bar g = \frac1B \sum_b g_b

    It is the expected squared distance of one sample to the mean (Greensmith et al., 2004, section 3).

    Args:
        samples: (B, P) one row for each sample of the vector.

    Returns:
        () the variance of *one* sample; the mean of n independent ones has 1/n of it.

    Raises:
        ValueError: if there are fewer than two samples.
    """
    # Exercise 3.2: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 3.2: write gradient_variance")


def mean_baseline(returns: Tensor) -> Tensor:
    r"""The mean return of the batch, to be subtracted from each return.

    .. math:: b = \frac1B \sum_{i=1}^B R_i

    Each return takes part in its own baseline, which shrinks the expected gradient to :math:`(B-1)/B` of the exact
    one. The direction stays; exercise 3.4 mends the length.

    Args:
        returns: (B) returns of independent trajectories.

    Returns:
        () the baseline, a constant: no gradient flows back into the returns.
    """
    # Exercise 3.3: your code here (1 line in our solution).
    raise NotImplementedError("Exercise 3.3: write mean_baseline")


def leave_one_out_baseline(rewards: Tensor) -> Tensor:
    r"""For each sample, the mean reward of the *other* samples for the same prompt (Kool et al., 2019).

    .. math:: b_{pi} = \frac{1}{K-1} \sum_{j \ne i} r_{pj}

    It does not depend on sample i, so it changes no expected gradient.

    Args:
        rewards: (B, K) rewards of K samples for each of B prompts.

    Returns:
        (B, K) the baseline of each sample, a constant: no gradient flows back into the rewards.

    Raises:
        ValueError: if K is less than 2: then there is no other sample.
    """
    # Exercise 3.4: your code here (5 lines in our solution).
    raise NotImplementedError("Exercise 3.4: write leave_one_out_baseline")


def optimal_baseline(squared_norms: Tensor, returns: Tensor) -> Tensor:
    r"""The constant baseline of least variance (Weaver and Tao, 2001; Greensmith et al., 2004, theorem 8).

    .. math:: b^* = \frac{\mathbb E\bigl[\lVert g \rVert^2 R\bigr]}{\mathbb E\bigl[\lVert g \rVert^2\bigr]},
              \qquad g = \nabla_\theta \log p_\theta(\tau)

    It minimizes :math:`\mathbb E\bigl[\lVert g \rVert^2 (R - b)^2\bigr]`, the only part of the variance that depends on
    b. Both expectations are estimated by the mean over the batch.

    Args:
        squared_norms: (B) squared length of each trajectory's score g.
        returns: (B) return of each trajectory.

    Returns:
        () the baseline, a constant without gradient; 0 if every score is zero, since then no baseline matters.
    """
    # Exercise 3.5: your code here (4 lines in our solution).
    raise NotImplementedError("Exercise 3.5: write optimal_baseline")


def standardize(x: Tensor, mask: Tensor, eps: float = 1e-8) -> Tensor:
    r"""Shift and scale numbers so that those which count have mean 0 and deviation 1.

    .. math:: y_i = \frac{x_i - \mu}{\sigma + \epsilon}, \qquad
              \mu = \frac{\sum_i m_i x_i}{\sum_i m_i}, \qquad
              \sigma^2 = \frac{\sum_i m_i (x_i - \mu)^2}{\sum_i m_i}

    One mean and one deviation for all that counts, whatever its trajectory or step.

    Args:
        x: (...) advantages or returns; where the mask is 0 it may hold anything, even NaN.
        mask: (...) 1 where a number counts, 0 on padding.
        eps: added to the deviation, so that equal numbers give 0 and not NaN.

    Returns:
        (...) the standardized numbers, 0 where the mask is 0; all 0 if nothing counts.
    """
    # Exercise 3.6: your code here (5 lines in our solution).
    raise NotImplementedError("Exercise 3.6: write standardize")
