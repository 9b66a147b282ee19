# Generated from the authors' solutions/reward_model.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401, F841 (what the holes need is there already)
r"""Chapter 10: reward models from human preferences.

Shapes: B rows, T tokens, D width, N pairs, K responses to one prompt. A score r(x, y) is one number for
a response y to a prompt x; only differences of scores mean anything.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlcourse.support.preferences import Comparisons, RewardModelConfig


def end_of_response(hidden: Tensor, mask: Tensor) -> Tensor:
    r"""The hidden state at the last token that counts: the only one that has read the whole response.

    Works for padding in front, behind, or at both ends.

    Args:
        hidden: (B, T, D) hidden states; where the mask is 0 they may be anything, also NaN.
        mask: (B, T) 1 on tokens that count; of any type; at least one a row.

    Returns:
        (B, D) that state of each row; gradients flow into it and into no other.

    Raises:
        ValueError: if no token of some row counts.
    """
    # Exercise 10.1: your code here (5 lines in our solution).
    raise NotImplementedError("Exercise 10.1: write end_of_response")


def preference_loss(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    r"""How surprised the model is by what people preferred (Bradley and Terry, 1952; Ouyang et al., 2022, equation 1).

    .. math:: L = -\frac{1}{N} \sum_i \log \sigma\bigl(r_i^{\text{chosen}} - r_i^{\text{rejected}} - m_i\bigr)

    Args:
        chosen: (N) scores of the preferred responses.
        rejected: (N) scores of the others.
        margin: () or (N), by how much the preferred one should lead at least (Touvron et al., 2023, equation 2).

    Returns:
        () the mean over the pairs; finite for scores of any size.
    """
    # Exercise 10.2: your code here (1 line in our solution).
    raise NotImplementedError("Exercise 10.2: write preference_loss")


def ranking_loss(scores: Tensor, ranks: Tensor) -> Tensor:
    r"""All pairs among the K responses to one prompt, as one batch element (Ouyang et al., 2022, section 3.5).

    .. math:: L = \frac{1}{B} \sum_b \frac{1}{|P_b|} \sum_{(i, j) \in P_b} -\log \sigma(r_{bi} - r_{bj}),
              \qquad P_b = \{(i, j) : \text{rank}_{bi} < \text{rank}_{bj}\}

    Without ties :math:`|P_b| = \binom{K}{2}`. A tie says nothing: such a pair is in no :math:`P_b`.

    Args:
        scores: (B, K).
        ranks: (B, K) 1 for the best; equal numbers are ties; any numbers, only their order counts.

    Returns:
        () the mean over the prompts of each one's mean over its pairs; a prompt without a pair adds 0.
    """
    # Exercise 10.3: your code here (4 lines in our solution).
    raise NotImplementedError("Exercise 10.3: write ranking_loss")


def plackett_luce_loss(scores: Tensor, order: Tensor) -> Tensor:
    r"""Negative log-probability of a whole ranking (Plackett, 1975; Luce, 1959).

    The best is chosen among all by softmax, the second among those that are left, and so on:

    .. math:: L = -\frac{1}{B} \sum_b \sum_{k=1}^{K}
              \Bigl[ r_{b, o_{bk}} - \log \sum_{j \ge k} e^{r_{b, o_{bj}}} \Bigr]

    Args:
        scores: (B, K).
        order: (B, K) int64, who comes first, second, and so on: ``order[b, 0]`` is the place of the
            best in ``scores[b]``.

    Returns:
        () the mean over the B rankings.
    """
    # Exercise 10.4: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 10.4: write plackett_luce_loss")


def preference_accuracy(chosen: Tensor, rejected: Tensor) -> Tensor:
    r"""Share of the pairs in which the model prefers what people preferred.

    Args:
        chosen: (N) scores of the preferred responses.
        rejected: (N) scores of the others.

    Returns:
        () in [0, 1], of the type of ``chosen``; equal scores are half right, as a coin would be.
    """
    # Exercise 10.5: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 10.5: write preference_accuracy")


def calibration_error(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
    r"""Expected calibration error: how far stated probabilities lie from what happens (Naeini et al., 2015).

    [0, 1] is cut into ``bins`` equal parts :math:`[0, 1/n), [1/n, 2/n), \dots, [1 - 1/n, 1]`.

    .. math:: \sum_k \frac{N_k}{N}\, \bigl| \text{mean outcome in part } k - \text{mean probability in part } k \bigr|

    Args:
        probs: (N) stated probabilities.
        outcomes: (N) what happened: 1 yes, 0 no, 0.5 a tie.
        bins: number of parts, n.

    Returns:
        () in [0, 1]; empty parts add nothing.

    Raises:
        ValueError: if there is no part.
    """
    # Exercise 10.5: your code here (5 lines in our solution).
    raise NotImplementedError("Exercise 10.5: write calibration_error")


def normalize_scores(scores: Tensor, reference_scores: Tensor) -> Tensor:
    r"""Shift scores so that the reference responses have mean 0 (Ouyang et al., 2022, section 3.5).

    The loss leaves the zero of the scale open; this fixes it. Differences, and with them everything that people said,
    stay as they are.

    Args:
        scores: (...) to shift.
        reference_scores: (N) scores, by the same model, of responses that one takes as the middle; constants.

    Returns:
        (...) as ``scores``.
    """
    # Exercise 10.6: your code here (1 line in our solution).
    raise NotImplementedError("Exercise 10.6: write normalize_scores")


def train_reward_model(
    model: nn.Module,
    comparisons: Comparisons,
    config: RewardModelConfig,
    generator: torch.Generator,
) -> dict[str, float]:
    r"""Train on the pairs of some responses, and judge on pairs of *other responses*.

    ``round(config.held_out * S)`` of the S responses are held out: the first of ``torch.randperm(S)``. Pairs of two
    responses that are left are trained on; pairs of two held-out ones are judged on; pairs of one and one are used for
    neither. In each epoch the training pairs come once, in the order of ``torch.randperm(number of training pairs)``,
    in batches of ``config.batch`` (the last one may be smaller); one step of AdamW a batch on ``preference_loss``.
    ``comparisons.scores(model, pairs)`` scores some of the N pairs.

    Args:
        model: takes tokens (B, T) and mask (B, T), returns scores (B); changed in place; in training mode while it
            trains, in evaluation mode afterwards.
        comparisons: all responses and pairs.
        config: share to hold out, epochs, batch, and the learning rate and weight decay of AdamW.
        generator: the only source of randomness.

    Returns:
        ``loss`` of the last batch before its step; ``train_accuracy`` and ``accuracy``, on training and on judging
        pairs, after training; ``train_pairs`` and ``pairs``, how many there are of each.
    """
    # Exercise 10.7: your code here (20 lines in our solution).
    raise NotImplementedError("Exercise 10.7: write train_reward_model")
