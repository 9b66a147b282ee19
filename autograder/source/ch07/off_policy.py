# Generated from the authors' solutions/off_policy.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401, F841 (what the holes need is there already)
r"""Chapter 7: off-policy learning, importance sampling, KL.

Shapes: B trajectories, T steps, A actions, N samples. A *behaviour* policy took the actions, another
one, the *target*, is asked about. Weights come as logarithms: a product over 200 steps of numbers
near 1 need not be near 1.
"""

import torch
from torch import Tensor


def importance_estimate(
    log_probs: Tensor, behavior_log_probs: Tensor, f: Tensor, self_normalized: bool
) -> Tensor:
    r"""Mean of f under a target distribution, from samples of another one.

    .. math:: \hat\mu = \frac1N \sum_n w_n f_n \qquad\text{or, self-normalized,}\qquad
              \hat\mu = \frac{\sum_n w_n f_n}{\sum_n w_n},
              \qquad w_n = \frac{p(x_n)}{q(x_n)}, \quad x_n \sim q

    (Kahn and Marshall, 1953; Owen, 2013, eq. 9.3 and 9.6.) The first is unbiased. The second is
    not, but needs p only up to a factor and is often less noisy.

    Args:
        log_probs: (N) log p of each sample, under the target.
        behavior_log_probs: (N) log q of each sample, under the distribution that drew it.
        f: (N) what is to be averaged.
        self_normalized: whether to divide by the sum of the weights instead of by N.

    Returns:
        () the estimate; gradients flow to log_probs and f. Log-probabilities of any size are fine
        as long as the weights themselves are; a self-normalized estimate allows any weights.
    """
    # Exercise 7.1: your code here (4 lines in our solution).
    raise NotImplementedError("Exercise 7.1: write importance_estimate")


def effective_sample_size(log_weights: Tensor) -> Tensor:
    r"""How many samples of equal weight the weighted ones are worth.

    .. math:: \text{ESS} = \frac{\bigl(\sum_n w_n\bigr)^2}{\sum_n w_n^2}

    (Kong, 1992.) It sees only the samples that it is given, so it is an optimist.

    Args:
        log_weights: (N) logarithms of the weights, up to a common constant; -inf is a weight of 0.

    Returns:
        () between 1 and N, finite for log-weights of any size, at least one of them finite.
    """
    # Exercise 7.2: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 7.2: write effective_sample_size")


def importance_variance(p: Tensor, q: Tensor, steps: int) -> Tensor:
    r"""Exact variance of the weight of a sequence of independent steps.

    .. math:: \operatorname{Var}_q\Bigl[\prod_{t=1}^T \frac{p(a_t)}{q(a_t)}\Bigr]
              = (1 + \chi^2)^T - 1, \qquad 1 + \chi^2 = \sum_a \frac{p(a)^2}{q(a)}

    (Owen, 2013, section 9.3.)

    Args:
        p: (A) the target's probabilities.
        q: (A) the probabilities with which the actions were drawn.
        steps: T, how many actions a sequence has.

    Returns:
        () the variance; infinite where q never takes an action that p takes. An action that p never
        takes adds nothing, whether q takes it or not.
    """
    # Exercise 7.3: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 7.3: write importance_variance")


def per_decision_weights(log_ratios: Tensor, mask: Tensor) -> Tensor:
    r"""Weight of each step's reward: the ratios of all actions up to and with that step.

    .. math:: w_t = \prod_{k \le t} \frac{\pi(a_k \mid s_k)}{\mu(a_k \mid s_k)}

    (Precup, Sutton and Singh, 2000, eq. 4.) An action cannot change a reward that came before it,
    so later ratios are left out.

    Args:
        log_ratios: (B, T) log pi - log mu of the actions; each row is one trajectory.
        mask: (B, T) bool or float, 1 where a step counts. A step that does not count has a ratio
            of 1, whatever stands there.

    Returns:
        (B, T) the weights, 0 where the mask is; gradients flow to log_ratios.
    """
    # Exercise 7.4: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 7.4: write per_decision_weights")


def surrogate_loss(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor
) -> Tensor:
    r"""Negated surrogate objective: advantages, weighted with the ratio of each single step.

    .. math:: L(\theta) = -\frac{\sum_{b,t} m_{bt}\, \rho_{bt}(\theta)\, A_{bt}}{\sum_{b,t} m_{bt}},
              \qquad \rho_{bt}(\theta) =
              \frac{\pi_\theta(a_{bt} \mid s_{bt})}{\pi_{\text{old}}(a_{bt} \mid s_{bt})}

    (Schulman et al., 2015, eq. 14; Schulman et al., 2017, eq. 6.) Where the new policy is still the
    old one, its gradient is the negated policy gradient.

    Args:
        log_probs: (B, T) of the actions, under the policy being trained.
        old_log_probs: (B, T) under the policy that took them; constants here.
        advantages: (B, T) of the old policy; constants here.
        mask: (B, T) bool or float, 1 where a step counts.

    Returns:
        () the mean over the steps that count; 0 if none does.
    """
    # Exercise 7.5: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 7.5: write surrogate_loss")


def categorical_kl(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    r"""KL divergence between two softmax distributions, in nats; the samples would come from p.

    .. math:: \operatorname{KL}(p \,\|\, q) = \sum_a p(a)\, \bigl(\log p(a) - \log q(a)\bigr)

    (Kullback and Leibler, 1951, eq. 2.4.)

    Args:
        logits_p: (..., A) unnormalized log-probabilities of p.
        logits_q: (..., A) of q.

    Returns:
        (...) one number for each pair of rows, at least 0, finite for finite logits of any size;
        gradients flow to both.
    """
    # Exercise 7.6: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 7.6: write categorical_kl")


def adapt_kl_coef(coef: float, kl: float, target: float, rule: str) -> float:
    r"""A new price of a nat, from how far the last update went.

    ``"ppo"`` doubles the coefficient if kl is above 1.5 times the target, halves it if kl is below
    the target divided by 1.5, and leaves it alone between (Schulman et al., 2017, section 4).

    ``"ziegler"`` moves it in proportion to the error, which is clamped (Ziegler et al., 2019,
    section 2.2):

    .. math:: \beta' = \beta\,(1 + 0.1\, e), \qquad
              e = \operatorname{clip}\Bigl(\frac{\text{kl}}{\text{target}} - 1,\, -0.2,\, 0.2\Bigr)

    Args:
        coef: the coefficient so far, positive.
        kl: what was measured after the update, in nats; an estimate may be negative.
        target: what it should have been, positive.
        rule: ``"ppo"`` or ``"ziegler"``.

    Returns:
        the coefficient for the next update.

    Raises:
        ValueError: if the target is not positive, or there is no such rule.
    """
    # Exercise 7.7: your code here (10 lines in our solution).
    raise NotImplementedError("Exercise 7.7: write adapt_kl_coef")
