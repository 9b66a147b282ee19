"""Laws and probes of the epilogue: code that tells nothing about the answers, so it ships to students."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


# 13.1


def a_constant_for_each_prompt_changes_nothing(group_advantages: Function) -> None:
    rewards, shift = numbers(1, 3, 4), 5.0 * numbers(2, 3, 1)
    for kind in ("rloo", "grpo", "dr_grpo"):
        assert_close(
            group_advantages(rewards + shift, kind),
            group_advantages(rewards, kind),
            f"kind {kind!r}: a constant added to all rewards of a prompt changes nothing",
        )


def each_group_is_by_itself(group_advantages: Function) -> None:
    rewards = numbers(3, 3, 4)
    for kind in ("rloo", "grpo", "dr_grpo"):
        assert_close(
            group_advantages(rewards[1:2], kind),
            group_advantages(rewards, kind)[1:2],
            f"kind {kind!r}: the advantages of a prompt do not depend on the other prompts",
        )


def the_order_of_a_group_does_not_matter(group_advantages: Function) -> None:
    rewards, order = numbers(4, 2, 5), torch.tensor([3, 0, 4, 1, 2])
    for kind in ("rloo", "grpo", "dr_grpo"):
        assert_close(
            group_advantages(rewards[:, order], kind),
            group_advantages(rewards, kind)[:, order],
            f"kind {kind!r}: responses in another order have the same advantages in that order",
        )


# 13.2

AGGREGATIONS = ("sequence", "token", "constant")


def some_responses(seed: int, rows: int = 3, steps: int = 4) -> dict[str, Any]:
    """Responses of 1, 2, ... tokens, written by an older policy."""
    old = -numbers(seed, rows, steps).abs() - 0.5
    lengths = torch.arange(rows) % steps + 1
    return {
        "log_probs": old + 0.3 * numbers(seed + 1, rows, steps),
        "old_log_probs": old,
        "advantages": numbers(seed + 2, rows),
        "mask": (torch.arange(steps) < lengths[:, None]).double(),
        "clip_eps": 0.2,
    }


def on_its_own_responses(
    grpo_loss: Function, inputs: dict[str, Any], aggregation: str, max_tokens: int
) -> dict[str, Any]:
    """Value and gradient where the policy is the one that wrote, before its first step."""
    old = inputs["old_log_probs"]
    new = old.clone().requires_grad_(True)
    rest = (inputs["advantages"], inputs["mask"], inputs["clip_eps"])
    loss = grpo_loss(new, old, *rest, aggregation, max_tokens)
    (gradient,) = torch.autograd.grad(loss, new, allow_unused=True)
    return {"loss": loss, "gradient": gradient}


def padding_may_hold_anything(grpo_loss: Function) -> None:
    clean = some_responses(10)
    for what in (float("nan"), float("inf")):
        dirty = clean | {
            name: clean[name].masked_fill(clean["mask"] == 0, what)
            for name in ("log_probs", "old_log_probs")
        }
        for aggregation in AGGREGATIONS:
            assert_close(
                grpo_loss(*dirty.values(), aggregation, 4),
                grpo_loss(*clean.values(), aggregation, 4),
                f"aggregation {aggregation!r}: padding that holds {what} changed the loss",
            )


def a_mask_of_any_type_will_do(grpo_loss: Function) -> None:
    inputs = some_responses(20)
    for aggregation in AGGREGATIONS:
        expected = grpo_loss(*inputs.values(), aggregation, 4)
        for kind in (torch.bool, torch.int64):
            given = inputs | {"mask": inputs["mask"].to(kind)}
            found = grpo_loss(*given.values(), aggregation, 4)
            assert_close(found, expected, f"a mask of {kind} may be used")


def more_columns_of_padding_change_nothing(grpo_loss: Function) -> None:
    inputs = some_responses(30)
    wide = {
        name: torch.nn.functional.pad(inputs[name], (0, 3))
        for name in ("log_probs", "old_log_probs", "mask")
    }
    for aggregation in AGGREGATIONS:
        assert_close(
            grpo_loss(*(inputs | wide).values(), aggregation, 9),
            grpo_loss(*inputs.values(), aggregation, 9),
            f"aggregation {aggregation!r}: three more columns of padding changed the loss",
        )


# 13.3


def minimizer(
    dpo_loss: Function, odds: Sequence[int], ref_log_probs: Tensor, beta: float
) -> Tensor:
    """(R,) the policy over R responses that the loss likes best, found by Newton-like steps from the reference.

    ``odds`` says how people prefer: of ``odds[i] + odds[j]`` comparisons of responses i and j, i wins ``odds[i]``.
    """
    count = len(odds)
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j for _ in range(odds[i])]
    wins, losses = torch.tensor(pairs).T
    logits = ref_log_probs.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [logits],
        max_iter=60,
        tolerance_grad=1e-13,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        log_probs = logits.log_softmax(dim=0)
        given = (log_probs[wins], log_probs[losses], ref_log_probs[wins], ref_log_probs[losses])
        loss: Tensor = dpo_loss(*given, beta)
        (logits.grad,) = torch.autograd.grad(loss, logits)
        return loss.detach()

    optimizer.step(closure)
    return logits.detach().softmax(dim=0)


def at_the_reference_nothing_is_known(dpo_loss: Function) -> None:
    chosen, rejected = -numbers(1, 4).abs(), -numbers(2, 4).abs()
    for beta in (0.1, 2.0):
        assert_close(
            dpo_loss(chosen, rejected, chosen.clone(), rejected.clone(), beta),
            torch.tensor(2.0, dtype=torch.float64).log(),
            "a policy that equals its reference gives each side a half: it loses log 2",
        )


def the_prompt_cancels(dpo_loss: Function) -> None:
    four = [-numbers(seed, 5).abs() for seed in (3, 4, 5, 6)]
    policy, reference = numbers(7, 5), numbers(8, 5)
    moved = (four[0] + policy, four[1] + policy, four[2] + reference, four[3] + reference)
    assert_close(
        dpo_loss(*moved, 0.3),
        dpo_loss(*four, 0.3),
        "what both responses of a pair have in common, such as their prompt, changes nothing",
    )


def either_answer_has_probability_one_in_all(dpo_loss: Function) -> None:
    a, b, c, d = (-numbers(seed, 1).abs() for seed in (9, 10, 11, 12))
    total = (-dpo_loss(a, b, c, d, 0.7)).exp() + (-dpo_loss(b, a, d, c, 0.7)).exp()
    assert_close(
        total, torch.ones((), dtype=torch.float64), "one of the two responses must be preferred"
    )
