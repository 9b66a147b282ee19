"""Laws and probes of chapter 9: code that tells nothing about the answers, so it ships to students."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rlcourse.support.enum_world import EnumWorld
from rlcourse.support.generation import Generation, TableModel

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def whole_numbers(seed: int, high: int, *shape: int) -> Tensor:
    """Integers from 0 to ``high - 1``."""
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


# 9.1


def what_stands_behind_the_end_does_not_matter(response_mask: Function) -> None:
    tokens = torch.tensor([[5, 3, 4, 1, 2, 2], [5, 3, 1, 6, 3, 1]])
    lengths = torch.tensor([2, 2])
    before = response_mask(tokens.clone(), lengths, 1, 0)
    tokens[0, 4:], tokens[1, 3:] = torch.tensor([1, 0]), torch.tensor([0, 0, 0])
    assert_close(
        response_mask(tokens, lengths, 1, 0),
        before,
        "other tokens behind the end token changed the mask",
    )


def a_longer_prompt_takes_from_the_front(response_mask: Function) -> None:
    tokens = torch.tensor([[3, 4, 5, 6, 1]]).expand(3, -1).clone()
    mask = response_mask(tokens, torch.tensor([1, 2, 4]), 1, 0)
    assert_close(
        mask.sum(dim=1),
        torch.tensor([4.0, 3.0, 1.0]),
        "five tokens, the last of them the end: a prompt of 1, 2 or 4 leaves 4, 3 or 1",
    )


# 9.2


def probabilities_of_all_texts_add_up_to_one(token_log_probs: Function) -> None:
    """All texts of two tokens behind a first one, under a made-up model."""
    second, table = numbers(1, 3), numbers(2, 3, 3)
    texts = torch.cartesian_prod(torch.tensor([0]), torch.arange(3), torch.arange(3))
    logits = torch.stack([second.expand(9, 3), table[texts[:, 1]], numbers(3, 9, 3)], dim=1)
    total = token_log_probs(logits, texts).sum(dim=1).exp().sum()
    assert_close(
        total, torch.ones((), dtype=torch.float64), "the nine possible texts must share all of it"
    )


def a_constant_added_at_a_position_changes_nothing(token_log_probs: Function) -> None:
    logits, tokens = numbers(4, 2, 4, 5), whole_numbers(5, 5, 2, 4)
    assert_close(
        token_log_probs(logits + 9.0 * numbers(6, 2, 4, 1), tokens),
        token_log_probs(logits, tokens),
        "softmax forgets a constant added to all logits of a position",
    )


# 9.3


def gradient_of_mean(masked_mean: Function, x: Tensor, mask: Tensor) -> Tensor:
    """Of the sum of all the means along dimension 1."""
    leaf = x.clone().requires_grad_(True)
    masked_mean(leaf, mask, 1).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


def any_type_of_mask_will_do(masked_mean: Function) -> None:
    x, mask = numbers(7, 2, 3), torch.tensor([[1, 0, 1], [0, 0, 1]])
    expected = masked_mean(x, mask.double(), 1)
    for kind in (torch.bool, torch.int64, torch.float32):
        assert_close(masked_mean(x, mask.to(kind), 1), expected, f"a mask of {kind} may be used")


def all_ones_are_the_plain_mean(masked_mean: Function) -> None:
    x = numbers(8, 3, 4)
    for dim in (0, 1, -1):
        assert_close(
            masked_mean(x, torch.ones_like(x), dim),
            x.mean(dim=dim),
            f"where everything counts, the mean along {dim} is the plain one",
        )


# 9.4


def table_model(
    seed: int, vocabulary: int, longest: int, scale: float, learned: bool = False
) -> TableModel:
    """Random tables; with a large scale every draw is all but certain. Learned ones would take a gradient."""
    last = (scale * numbers(seed, longest, vocabulary, vocabulary)).requires_grad_(learned)
    return TableModel(last, scale * numbers(seed + 1, vocabulary, vocabulary))


def sample(generate: Function, model: TableModel, prompts: Tensor, **settings: Any) -> Generation:
    """Generate with token 0 as the end, unless told otherwise."""
    defaults = {"max_new_tokens": 6, "temperature": 1.0, "eos_id": 0, "seed": 0}
    chosen = defaults | settings
    generator = torch.Generator().manual_seed(chosen.pop("seed"))
    found: Generation = generate(model, prompts, **chosen, generator=generator)
    return found


def certain_tokens(
    generate: Function, prompts: Tensor, seed: int, eos_id: int, new: int
) -> dict[str, Tensor]:
    """What a model writes that is all but certain at each step."""
    model = table_model(seed, 5, prompts.shape[1] + new, 400.0)
    found = sample(generate, model, prompts, max_new_tokens=new, eos_id=eos_id)
    return {"tokens": found.tokens, "mask": found.mask}


def in_training_mode(generate: Function, prompts: Tensor, seed: int, new: int) -> dict[str, Any]:
    """The same, with a model that comes in training mode and should leave in it."""
    model = table_model(seed, 5, prompts.shape[1] + new, 400.0).train()
    found = sample(generate, model, prompts, max_new_tokens=new)
    return {"tokens": found.tokens, "still in training mode": model.training}


def mode_afterwards(generate: Function, prompts: Tensor, seed: int) -> bool:
    """Whether a model that came in evaluation mode is in training mode at the end."""
    model = table_model(seed, 5, prompts.shape[1] + 6, 1.0)
    sample(generate, model, prompts)
    return model.training


def rescored(generate: Function, prompts: Tensor, seed: int, temperature: float) -> dict[str, bool]:
    """Whether the log-probabilities that came back are those of the tokens that came back."""
    model = table_model(seed, 5, prompts.shape[1] + 6, 0.7, learned=True)
    found = sample(generate, model, prompts, temperature=temperature, seed=seed)
    inside, width = found.mask > 0, prompts.shape[1]
    logits = model(found.tokens)[:, width - 1 : -1].detach()
    said = {}
    for name, divisor in (("the temperature of the draw", temperature), ("temperature 1", 1.0)):
        every = (logits / divisor).log_softmax(dim=-1)
        again = every.gather(-1, found.responses.unsqueeze(-1)).squeeze(-1)
        said[f"rescored at {name}"] = torch.allclose(
            found.log_probs[inside].detach().double(), again[inside], atol=1e-5
        )
    said["0 behind the end"] = bool((found.log_probs[~inside] == 0).all())
    said["end token behind the end"] = bool((found.responses[~inside] == 0).all())
    said["carries a gradient"] = found.log_probs.requires_grad
    return said


def rows_end_once(generate: Function, prompts: Tensor, seed: int) -> dict[str, bool]:
    """What the mask of many soft draws looks like."""
    model = table_model(seed, 4, prompts.shape[1] + 8, 0.3)
    found = sample(generate, model, prompts.repeat(40, 1), max_new_tokens=8, seed=seed)
    ended = (found.responses == 0) & (found.mask > 0)
    lengths = found.mask.sum(dim=1).long()
    last = found.responses.gather(1, (lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
    return {
        "at most one end token counts in a row": bool((ended.sum(dim=1) <= 1).all()),
        "a row that stops early stops with it": bool((last[lengths < 8] == 0).all()),
        "some rows stop early": bool((lengths < 8).any()),
        "some go on to the limit": bool((lengths == 8).any()),
    }


def each_token_is_read_once(generate: Function, width: int, new: int) -> bool:
    """Whether the model read no more tokens than there are."""
    model = table_model(30, 5, width + new, 0.5)
    prompts = whole_numbers(31, 5, 2, width)
    sample(generate, model, prompts, max_new_tokens=new)
    return model.tokens_read <= 2 * (width + new)


def shares_drawn(generate: Function, weights: Tensor, temperature: float) -> list[int]:
    """How often each token comes first, in tenths of 20,000; the logits are the logarithms of the weights."""
    size = len(weights)
    last = weights.log().expand(2, size, size)
    model = TableModel(last, torch.zeros(size, size, dtype=torch.float64))
    prompts = torch.zeros(20_000, 1, dtype=torch.int64)
    found = sample(generate, model, prompts, max_new_tokens=1, temperature=temperature, seed=1)
    counts = torch.bincount(found.responses[:, 0], minlength=size)
    return [round(10 * count / 20_000) for count in counts.tolist()]


def with_settings(generate: Function, temperature: float, new: int) -> Tensor:
    """The tokens, with a setting that may be refused."""
    model = table_model(32, 5, 9, 1.0)
    prompts = whole_numbers(33, 5, 2, 2)
    found = sample(generate, model, prompts, temperature=temperature, max_new_tokens=new)
    return found.tokens


def the_same_seed_writes_the_same(generate: Function) -> None:
    prompts = whole_numbers(34, 5, 20, 2)
    model = table_model(35, 5, 8, 0.2)
    first, again, other = (sample(generate, model, prompts, seed=s) for s in (3, 3, 4))
    assert torch.equal(first.tokens, again.tokens), "the same generator seed wrote other tokens"
    assert not torch.equal(first.tokens, other.tokens), "another seed wrote the same 20 responses"


def rows_are_written_apart(generate: Function) -> None:
    prompts = torch.ones(60, 1, dtype=torch.int64)
    found = sample(generate, table_model(36, 5, 7, 0.2), prompts)
    assert len(set(map(tuple, found.tokens.tolist()))) > 10, (
        "sixty rows with the same prompt must not all get the same response"
    )


def prompts_are_kept(generate: Function) -> None:
    prompts = whole_numbers(37, 5, 4, 3)
    prompts[0, 1] = prompts[2, 2] = 0
    kept = prompts.clone()
    found = sample(generate, table_model(38, 5, 9, 0.5), prompts)
    assert torch.equal(prompts, kept), "the prompts were changed in place"
    assert torch.equal(found.tokens[:, :3], kept), "the tokens must begin with the prompts"
    assert bool((found.mask[:, 0] == 1).all()), (
        "an end token inside a prompt ends nothing: the first new token of every row counts"
    )


# 9.5


def logits_at_the_prompt_do_not_matter(sft_loss: Function) -> None:
    logits, tokens = numbers(9, 2, 5, 4), whole_numbers(10, 4, 2, 5)
    mask = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 1, 1, 0]]).double()
    before = sft_loss(logits.clone(), tokens, mask)
    logits[0, :2] += numbers(11, 2, 4)
    logits[1, 0] += numbers(12, 4)
    assert_close(
        sft_loss(logits, tokens, mask),
        before,
        "row 0 has a prompt of three tokens, row 1 one of two; logits that predict prompt tokens changed the loss",
    )


def even_logits_lose_the_logarithm_of_the_vocabulary(sft_loss: Function) -> None:
    tokens, mask = whole_numbers(13, 7, 3, 4), torch.ones(3, 4, dtype=torch.float64)
    mask[0, :2] = mask[1, 3:] = 0
    assert_close(
        sft_loss(torch.zeros(3, 4, 7, dtype=torch.float64), tokens, mask),
        torch.tensor(7.0, dtype=torch.float64).log(),
        "a policy that knows nothing of 7 tokens loses log 7 on each",
    )


# 9.6


def small_world(seed: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities of six outcomes under two policies."""
    return numbers(seed, 6).log_softmax(-1), numbers(seed + 1, 6).log_softmax(-1)


def exact_mean(kl_estimate: Function, seed: int, kind: str) -> Tensor:
    """The mean of the estimates over all outcomes, each weighted by its probability under the policy."""
    log_probs, ref_log_probs = small_world(seed)
    mean: Tensor = (log_probs.exp() * kl_estimate(log_probs, ref_log_probs, kind)).sum()
    return mean


def equal_policies_are_no_distance_apart(kl_estimate: Function) -> None:
    log_probs, _ = small_world(14)
    for kind in ("k1", "k2", "k3"):
        assert_close(
            kl_estimate(log_probs, log_probs.clone(), kind),
            torch.zeros(6, dtype=torch.float64),
            f"{kind} of two equal policies is 0 for every sample",
        )


def k2_and_k3_are_never_negative(kl_estimate: Function) -> None:
    log_probs, ref_log_probs = -3.0 * numbers(15, 40).abs(), -3.0 * numbers(16, 40).abs()
    for kind in ("k2", "k3"):
        lowest = kl_estimate(log_probs, ref_log_probs, kind).min()
        assert bool(lowest >= 0), (
            f"{kind} of some sample is {float(lowest):.3g}; it is never below 0"
        )


# 9.7


def ending_mask(responses: Tensor) -> Tensor:
    """(R, T) 1 up to and with the first token 0 of each response."""
    ends = (responses == 0).long()
    return ((ends.cumsum(dim=1) - ends) == 0).double()


def expected_gradient(
    kl_penalty_loss: Function, theta: Tensor, reference: Tensor, ends: bool
) -> dict[str, Any]:
    """The gradient of the loss averaged over every response of a small world, with its probability.

    The loss is taken of all responses at once; as a mean over rows, each row's part is its share of the gradient.
    """
    world = EnumWorld(prompts=len(theta))
    policy = theta.clone().requires_grad_(True)
    each = world.token_log_probs(policy).flatten(0, 1)
    ref = world.token_log_probs(reference).flatten(0, 1)
    mask = ending_mask(world.responses) if ends else torch.ones_like(world.responses).double()
    leaf = each.detach().requires_grad_(True)
    loss = kl_penalty_loss(leaf, ref, mask.repeat(len(theta), 1))
    if not (isinstance(loss, Tensor) and loss.requires_grad):
        return {"a gradient reaches the policy": False, "gradient": torch.zeros_like(theta)}
    (parts,) = torch.autograd.grad(loss, leaf)
    chances = world.log_probs(theta).exp().flatten() / len(theta)
    total = (chances[:, None] * len(each) * parts * each).sum()
    (gradient,) = torch.autograd.grad(total, policy)
    return {"a gradient reaches the policy": True, "gradient": gradient}


def gradients_that_flow(kl_penalty_loss: Function, seed: int) -> dict[str, bool]:
    """Which of the two log-probabilities gets a gradient."""
    log_probs, ref_log_probs = -numbers(seed, 3, 4).abs(), -numbers(seed + 1, 3, 4).abs()
    leaves = [log_probs.requires_grad_(True), ref_log_probs.requires_grad_(True)]
    loss = kl_penalty_loss(*leaves, torch.ones(3, 4, dtype=torch.float64))
    found: tuple[Tensor | None, ...] = (None, None)
    if loss.requires_grad:
        found = torch.autograd.grad(loss, leaves, allow_unused=True)
    return {
        name: gradient is not None and bool(gradient.any())
        for name, gradient in zip(("into the policy", "into the reference"), found, strict=True)
    }


def gradient_on_padding(kl_penalty_loss: Function, seed: int, what: float) -> Tensor:
    """The gradient with respect to each log-probability, where padding holds something strange."""
    log_probs, ref_log_probs = -numbers(seed, 2, 3).abs(), -numbers(seed + 1, 2, 3).abs()
    mask = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    log_probs[mask == 0] = what
    leaf = log_probs.requires_grad_(True)
    (gradient,) = torch.autograd.grad(kl_penalty_loss(leaf, ref_log_probs, mask), leaf)
    return gradient


def a_batch_twice_is_as_good_as_once(kl_penalty_loss: Function) -> None:
    log_probs, ref_log_probs = -numbers(17, 2, 3).abs(), -numbers(18, 2, 3).abs()
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]]).double()
    gradients: list[Tensor] = []
    for times in (1, 2):
        leaf = log_probs.clone().requires_grad_(True)
        rows = (x.repeat(times, 1) for x in (leaf, ref_log_probs, mask))
        gradients += torch.autograd.grad(kl_penalty_loss(*rows), leaf)
    assert_close(
        gradients[1], gradients[0], "a mean over rows does not change when each comes twice"
    )


def a_bool_mask_will_do(kl_penalty_loss: Function) -> None:
    ref_log_probs, mask = -numbers(20, 2, 3).abs(), torch.tensor([[1, 1, 0], [1, 1, 1]])
    gradients: list[Tensor] = []
    for kind in (torch.float64, torch.bool):
        leaf = (-numbers(19, 2, 3).abs()).requires_grad_(True)
        gradients += torch.autograd.grad(kl_penalty_loss(leaf, ref_log_probs, mask.to(kind)), leaf)
    assert_close(gradients[1], gradients[0], "the mask may be bool")
