"""Laws and probes of chapter 10: code that tells nothing about the answers, so it ships to students."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from rlcourse.support.preferences import Comparisons, RewardModelConfig

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


# 10.1


def padding_may_hold_anything(end_of_response: Function) -> None:
    hidden, mask = numbers(1, 3, 5, 2), torch.zeros(3, 5, dtype=torch.bool)
    mask[0, :3] = mask[1, 2:] = mask[2, 1:4] = True
    before = end_of_response(hidden.clone(), mask)
    hidden[~mask] = float("nan")
    assert_close(end_of_response(hidden, mask), before, "padding that holds NaN changed the result")


def padding_in_front_or_behind_is_all_the_same(end_of_response: Function) -> None:
    text, filling = numbers(2, 2, 3, 4), numbers(3, 2, 2, 4)
    ones, zeros = torch.ones(2, 3), torch.zeros(2, 2)
    behind = end_of_response(torch.cat([text, filling], 1), torch.cat([ones, zeros], 1))
    front = end_of_response(torch.cat([filling, text], 1), torch.cat([zeros, ones], 1))
    assert_close(front, behind, "the same text, padded on the left and on the right")


def any_type_of_mask_will_do(end_of_response: Function) -> None:
    hidden, mask = numbers(4, 2, 3, 2), torch.tensor([[1, 1, 0], [1, 0, 0]])
    expected = end_of_response(hidden, mask.double())
    for kind in (torch.bool, torch.int64, torch.float32):
        assert_close(
            end_of_response(hidden, mask.to(kind)), expected, f"a mask of {kind} may be used"
        )


# 10.2


def only_differences_count(preference_loss: Function) -> None:
    chosen, rejected = numbers(5, 6), numbers(6, 6)
    assert_close(
        preference_loss(chosen + 7.0, rejected + 7.0),
        preference_loss(chosen, rejected),
        "a constant added to all scores changes nothing",
    )


def no_opinion_loses_the_logarithm_of_two(preference_loss: Function) -> None:
    scores = numbers(7, 5)
    assert_close(
        preference_loss(scores, scores.clone()),
        torch.tensor(2.0, dtype=torch.float64).log(),
        "a model that cannot tell two responses apart gives each a half: it loses log 2",
    )


def either_answer_has_probability_one_in_all(preference_loss: Function) -> None:
    a, b = numbers(8, 1), numbers(9, 1)
    total = (-preference_loss(a, b)).exp() + (-preference_loss(b, a)).exp()
    assert_close(
        total, torch.ones((), dtype=torch.float64), "one of the two responses must be preferred"
    )


# 10.3


def a_constant_for_each_prompt_changes_nothing(ranking_loss: Function) -> None:
    scores, ranks = numbers(10, 3, 4), numbers(11, 3, 4).argsort(1).argsort(1) + 1
    assert_close(
        ranking_loss(scores + 9.0 * numbers(12, 3, 1), ranks),
        ranking_loss(scores, ranks),
        "a constant added to all scores of one prompt changes nothing",
    )


def the_order_in_which_responses_stand_does_not_matter(loss: Function) -> None:
    scores, ranks = numbers(13, 2, 5), torch.tensor([[1, 2, 2, 4, 5], [3, 1, 1, 1, 2]])
    places = torch.tensor([3, 0, 4, 1, 2])
    assert_close(
        loss(scores[:, places], ranks[:, places]),
        loss(scores, ranks),
        "responses and their ranks, moved together",
    )


def only_the_order_of_ranks_counts(ranking_loss: Function) -> None:
    scores, ranks = numbers(14, 2, 4), torch.tensor([[1, 2, 2, 3], [4, 1, 3, 2]])
    assert_close(
        ranking_loss(scores, 10.0 * ranks - 3.0),
        ranking_loss(scores, ranks),
        "ranks 1, 2, 3 and ranks 7, 17, 27 say the same",
    )


# 10.4


def probabilities_of_all_rankings_add_up_to_one(plackett_luce_loss: Function) -> None:
    scores = numbers(15, 1, 4)
    rankings = torch.tensor(list(permutations(range(4))))
    total = torch.stack(
        [(-plackett_luce_loss(scores, order[None])).exp() for order in rankings]
    ).sum()
    assert_close(
        total, torch.ones((), dtype=torch.float64), "the 24 rankings of four share all of it"
    )


def places_are_only_names(plackett_luce_loss: Function) -> None:
    scores = numbers(16, 1, 4)
    order, places = torch.tensor([[2, 0, 3, 1]]), torch.tensor([1, 3, 0, 2])
    assert_close(
        plackett_luce_loss(scores[:, places], places.argsort()[order]),
        plackett_luce_loss(scores, order),
        "responses moved to other places, and the ranking told in the new places",
    )


# 10.5


def a_coin_is_half_right(preference_accuracy: Function) -> None:
    chosen, rejected = numbers(17, 9), numbers(18, 9)
    rejected[:3] = chosen[:3]
    total = preference_accuracy(chosen, rejected) + preference_accuracy(rejected, chosen)
    assert_close(
        total, torch.ones((), dtype=torch.float64), "what one side wins, the other side loses"
    )


def scale_and_shift_change_nothing(preference_accuracy: Function) -> None:
    chosen, rejected = numbers(19, 9), numbers(20, 9)
    assert_close(
        preference_accuracy(3.0 * chosen - 5.0, 3.0 * rejected - 5.0),
        preference_accuracy(chosen, rejected),
        "accuracy asks only who is ahead",
    )


def the_order_of_the_pairs_does_not_matter(calibration_error: Function) -> None:
    probs, outcomes = numbers(21, 12).sigmoid(), (numbers(22, 12) > 0).double()
    assert_close(
        calibration_error(probs.flip(0), outcomes.flip(0), 4),
        calibration_error(probs, outcomes, 4),
        "the same pairs in another order",
    )


def one_part_compares_the_two_means(calibration_error: Function) -> None:
    probs, outcomes = numbers(23, 12).sigmoid(), (numbers(24, 12) > 0.3).double()
    assert_close(
        calibration_error(probs, outcomes, 1),
        (probs.mean() - outcomes.mean()).abs(),
        "with one part for all, only the two means are compared",
    )


# 10.6


def differences_stay(normalize_scores: Function) -> None:
    scores, reference = 3.0 * numbers(25, 7), 2.0 + numbers(26, 5)
    found = normalize_scores(scores, reference)
    assert_close(
        found[1:] - found[:-1], scores[1:] - scores[:-1], "differences of scores must stay"
    )


def the_reference_is_in_the_middle(normalize_scores: Function) -> None:
    reference = 2.0 + 3.0 * numbers(27, 6)
    assert_close(
        normalize_scores(reference.clone(), reference).mean(),
        torch.zeros((), dtype=torch.float64),
        "the reference responses themselves have mean 0 afterwards",
    )


def a_score_does_not_depend_on_its_neighbours(normalize_scores: Function) -> None:
    scores, reference = numbers(28, 6), 1.0 + numbers(29, 4)
    assert_close(
        normalize_scores(scores[:2], reference),
        normalize_scores(scores, reference)[:2],
        "two scores alone, and the same two among six",
    )


# 10.7


class WordScorer(nn.Module):
    """A linear reader: the score is the sum of a number for each token that counts.

    In training mode odd tokens keep a quarter of their weight: a dropout that always strikes.
    """

    sandbox_names = frozenset({"training", "train", "eval", "parameters"})

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights.clone())

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        kept = 1 - 0.75 * (tokens % 2) if self.training else torch.ones_like(tokens)
        return (self.weights[tokens] * mask * kept).sum(dim=1)


def some_comparisons(seed: int, size: int, pairs: int) -> Comparisons:
    """Random responses of one to four tokens out of ten, and random pairs of two different ones."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(10, (size, 4), generator=generator)
    lengths = torch.randint(1, 5, (size, 1), generator=generator)
    chosen = torch.randint(size, (pairs,), generator=generator)
    steps = torch.randint(1, size, (pairs,), generator=generator)
    mask = (torch.arange(4) < lengths).double()
    return Comparisons(tokens, mask, chosen, (chosen + steps) % size)


def trained(
    train_reward_model: Function, seed: int, size: int, pairs: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """What is returned, the weights afterwards, and the mode in which the model is left."""
    model = WordScorer(numbers(seed, 10)).eval()
    metrics = train_reward_model(
        model,
        some_comparisons(seed, size, pairs),
        RewardModelConfig(**settings),
        torch.Generator().manual_seed(seed),
    )
    found: dict[str, Any] = {name: float(metrics[name]) for name in sorted(metrics)}
    found["weights"] = model.weights.detach().clone()
    found["left in training mode"] = model.training
    return found


def held_out_responses_teach_nothing(train_reward_model: Function) -> None:
    """Tokens that only held-out responses have keep their weight."""
    size, seed = 12, 3
    held = torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:6]
    tokens = torch.zeros(size, 1, dtype=torch.int64)
    tokens[held] = 1
    rows = torch.arange(size).repeat_interleave(size), torch.arange(size).repeat(size)
    comparisons = Comparisons(tokens, torch.ones(size, 1).double(), *rows)
    model = WordScorer(numbers(4, 10))
    before = model.weights.detach().clone()
    config = RewardModelConfig(held_out=0.5, weight_decay=0.0)
    train_reward_model(model, comparisons, config, torch.Generator().manual_seed(seed))
    assert_close(
        model.weights.detach()[1],
        before[1],
        "the weight of a token that only held-out responses have was changed",
    )


def the_comparisons_are_left_alone(train_reward_model: Function) -> None:
    comparisons, pristine = some_comparisons(5, 20, 60), some_comparisons(5, 20, 60)
    model = WordScorer(numbers(6, 10))
    train_reward_model(model, comparisons, RewardModelConfig(), torch.Generator().manual_seed(0))
    for name in ("tokens", "mask", "chosen", "rejected"):
        assert torch.equal(getattr(comparisons, name), getattr(pristine, name)), (
            f"training changed comparisons.{name}"
        )
