"""Exercise 9.7: a loss with the gradient of the KL."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import language_policy as probes
from rlcourse.support.enum_world import EnumWorld


def exact_gradient(theta: Tensor, reference: Tensor, ends: bool) -> dict[str, object]:
    """The KL as a sum over all responses, differentiated in probabilities and logarithms alike."""
    world = EnumWorld(prompts=len(theta))
    policy = theta.clone().requires_grad_(True)
    mask = probes.ending_mask(world.responses) if ends else torch.ones(world.responses.shape)
    tokens = world.token_log_probs(policy) - world.token_log_probs(reference)
    total = world.expectation(policy, (tokens * mask).sum(dim=-1))
    (gradient,) = torch.autograd.grad(total, policy)
    return {"a gradient reaches the policy": True, "gradient": gradient}


def _kept(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    return (log_probs - ref_log_probs.detach()).masked_fill(mask == 0, 0.0)


def _k1(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    return _kept(log_probs, ref_log_probs, mask).sum(1).mean()


def _k3(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    x = -_kept(log_probs, ref_log_probs, mask).sum(1)
    return (x.exp() - 1 - x).mean()


def _k3_by_token(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    x = -_kept(log_probs, ref_log_probs, mask)
    return (x.exp() - 1 - x).sum(1).mean()


def _by_token(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    return _kept(log_probs, ref_log_probs, mask).square().sum(1).mean() / 2


def _token_mean(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    kept = _kept(log_probs, ref_log_probs, mask)
    return kept.square().sum() / 2 / (mask > 0).sum().clamp(min=1)


def _no_half(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    return _kept(log_probs, ref_log_probs, mask).sum(1).square().mean()


def _detached(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    return _kept(log_probs, ref_log_probs, mask).sum(1).square().mean().detach() / 2


def _live_reference(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    kept = (log_probs - ref_log_probs).masked_fill(mask == 0, 0.0)
    return kept.sum(1).square().mean() / 2


def _wrong_one(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    kept = (log_probs.detach() - ref_log_probs).masked_fill(mask == 0, 0.0)
    return kept.sum(1).square().mean() / 2


def _padded(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    return (log_probs - ref_log_probs.detach()).sum(1).square().mean() / 2


def _product(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    kept = (log_probs - ref_log_probs.detach()) * mask
    return kept.sum(1).square().mean() / 2


def _uphill(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    return -_kept(log_probs, ref_log_probs, mask).sum(1).square().mean() / 2


def _sum_of_rows(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    return _kept(log_probs, ref_log_probs, mask).sum(1).square().sum() / 2


def _score_function(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    """Another right way: the policy gradient with the log-ratio as the return."""
    kept = _kept(log_probs, ref_log_probs, mask)
    returns = kept.sum(1).detach()
    return (returns * log_probs.masked_fill(mask == 0, 0.0).sum(1)).mean()


def _reward_to_go(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    """Another right way: each token answers for the log-ratios from itself on."""
    kept = _kept(log_probs, ref_log_probs, mask)
    to_go = kept.detach().flip(1).cumsum(1).flip(1)
    return (to_go * log_probs.masked_fill(mask == 0, 0.0)).sum(1).mean()


def _policies(seed: int, prompts: int, ends: bool) -> dict[str, object]:
    world = EnumWorld(prompts=prompts)
    theta, reference = (
        world.random_theta(torch.Generator().manual_seed(s)) for s in (seed, seed + 1)
    )
    return {"theta": theta, "reference": reference, "ends": ends}


def _enumerated(
    name: str, seed: int, prompts: int, ends: bool, message: str, hidden: bool = False
) -> Case:
    return Case(
        name,
        _policies(seed, prompts, ends),
        message,
        probe=probes.expected_gradient,
        oracle=exact_gradient,
        hidden=hidden,
    )


FLOWS = {"into the policy": True, "into the reference": False}

EXERCISE = ExerciseSpec(
    number="9.7",
    title="A penalty with the right gradient",
    targets=("kl_penalty_loss",),
    points=3,
    minutes=25,
    difficulty=4,
    section="A penalty with the right gradient",
    statement="""
A policy is to stay near its reference, so the KL goes into the loss. Which loss? An estimate that is right as a
*value* may be wrong as a *gradient*, because the samples depend on the parameters too and automatic differentiation
does not see that. Find one whose gradient is right on average: one of the three estimates of 9.6, taken of whole
responses, will do, and it is not one with the right value. The checks list every response of a small world and
compare the expected gradient with ∇KL; any loss that agrees is accepted.
""",
    hints=(
        "∇ E[f] has two parts: E[∇f] and E[f ∇log π]. With f = log π − log ref the first vanishes. So which loss has "
        "f ∇log π as its gradient, for a sample that is given?",
        "The derivative of half a square is the thing itself times its derivative: that is k2. f "
        "belongs to the whole "
        "response, so first sum the log-ratios over the tokens that count, then square.",
        "Keep log_probs minus the detached ref_log_probs where mask > 0, else 0; sum over the "
        "tokens; half the square; "
        "mean over the rows.",
    ),
    checks=(
        _enumerated(
            "all responses", 0, 2, False, "64 responses of three tokens to each of two prompts"
        ),
        _enumerated(
            "responses that end",
            10,
            1,
            True,
            "the same world, but token 0 ends a response: what stands behind it does not count",
        ),
        Case(
            "who gets a gradient",
            {"seed": 20},
            "the policy learns, the reference is a constant",
            probe=probes.gradients_that_flow,
            expected=FLOWS,
        ),
        Case(
            "strange padding",
            {"seed": 22, "what": float("nan")},
            "the gradient by log_probs is 0 where the mask is 0, also where padding holds NaN",
            probe=probes.gradient_on_padding,
            oracle=lambda seed, what: _one_token(seed),
        ),
        Law(probes.a_batch_twice_is_as_good_as_once, "a mean over responses"),
        Law(probes.a_bool_mask_will_do, "masks of both types"),
        _enumerated("all responses again", 30, 1, False, "another world", hidden=True),
        _enumerated("responses that end, again", 40, 2, True, "another world", hidden=True),
        Case(
            "who gets a gradient, again",
            {"seed": 50},
            "the reference is a constant",
            probe=probes.gradients_that_flow,
            expected=FLOWS,
            hidden=True,
        ),
        Case(
            "other strange padding",
            {"seed": 52, "what": float("-inf")},
            "padding of −∞",
            probe=probes.gradient_on_padding,
            oracle=lambda seed, what: _one_token(seed),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "k1",
            _k1,
            "Its value is right, but its gradient is the mean of ∇log π, which is 0: nothing holds the policy.",
        ),
        Mistake(
            "k3",
            _k3,
            "Its value is right, but its expected gradient is that of KL(ref ‖ policy), the other direction.",
        ),
        Mistake(
            "k3 of each token",
            _k3_by_token,
            "Each token pulls towards the wrong direction's KL, and none answers for what comes after it.",
        ),
        Mistake(
            "k2 of each token",
            _by_token,
            "An early token also decides which tokens come later, and what those cost. Sum the "
            "response first, then square.",
        ),
        Mistake(
            "a mean over tokens",
            _token_mean,
            "The KL of a response is a sum over its tokens, and the loss a mean over responses.",
        ),
        Mistake("½ missing", _no_half, "The gradient is twice that of the KL."),
        Mistake("detached", _detached, "No gradient reaches the policy."),
        Mistake(
            "a gradient into the reference",
            _live_reference,
            "The reference is a constant: detach its log-probabilities.",
        ),
        Mistake(
            "the policy is the constant",
            _wrong_one,
            "The gradient flows into the reference, and none into the policy. Which one is detached?",
        ),
        Mistake("padding counted", _padded, "Tokens behind the end do not belong to the response."),
        Mistake(
            "0 times NaN",
            _product,
            "A product with the mask does not remove NaN. Choose with torch.where or masked_fill.",
        ),
        Mistake("uphill", _uphill, "This is minimized: it should pull towards the reference."),
        Mistake("a sum over responses", _sum_of_rows, "Take the mean over the B responses."),
    ),
    variants={"score function": _score_function, "reward to go": _reward_to_go},
)


def _one_token(seed: int) -> Tensor:
    """Only one token counts, so half the square of one difference, halved again by two rows."""
    log_probs, ref_log_probs = (
        -probes.numbers(seed, 2, 3).abs(),
        -probes.numbers(seed + 1, 2, 3).abs(),
    )
    gradient = torch.zeros(2, 3, dtype=torch.float64)
    gradient[0, 0] = (log_probs[0, 0] - ref_log_probs[0, 0]) / 2
    return gradient
