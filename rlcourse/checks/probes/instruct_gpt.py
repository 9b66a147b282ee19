"""Laws and probes of chapter 11: code that tells nothing about the answers, so it ships to students."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rlcourse.support.enum_world import EnumWorld
from rlcourse.support.generation import TableCache
from rlcourse.support.responses import Texts
from rlcourse.support.rlhf_config import RLHFConfig

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


MASK = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]).double()


# 11.1


def they_add_up_to_score_minus_price(kl_shaped_rewards: Function) -> None:
    scores, new, ref = numbers(1, 3), -numbers(2, 3, 3).abs(), -numbers(3, 3, 3).abs()
    rewards = kl_shaped_rewards(scores, new, ref, MASK, 0.4)
    expected = scores - 0.4 * ((new - ref) * MASK).sum(dim=1)
    assert_close(rewards.sum(dim=1), expected, "summed over a response: score minus β log-ratio")


def their_gradient_is_that_of_the_objective(kl_shaped_rewards: Function) -> None:
    """The policy gradient with these rewards, over all responses, is that of E[r] - β KL."""
    world, kl_coef = EnumWorld(prompts=1), 0.3
    generator = torch.Generator().manual_seed(4)
    theta = world.random_theta(generator).requires_grad_()
    reference, scores = world.random_theta(generator), numbers(5, 64)
    new, ref = world.token_log_probs(theta)[0], world.token_log_probs(reference)[0]
    ones = torch.ones(64, 3, dtype=torch.float64)
    rewards = kl_shaped_rewards(scores, new, ref, ones, kl_coef)
    chances = world.log_probs(theta)[0].exp().detach()
    surrogate = (chances * rewards.detach().sum(dim=1) * new.sum(dim=1)).sum()
    (found,) = torch.autograd.grad(surrogate, theta, retain_graph=True)
    objective = world.objective(theta, scores[None], reference, kl_coef)
    (expected,) = torch.autograd.grad(objective, theta)
    assert_close(found, expected, "the gradient with these rewards is not that of E[r] − β KL")


# 11.2


def padding_is_nobodys_value(response_advantages: Function) -> None:
    rewards, values = numbers(6, 3, 3) * MASK, numbers(7, 3, 3)
    other = torch.where(MASK > 0, values, 1e6)
    for found, expected in zip(
        response_advantages(rewards, other, MASK, 0.9, 0.8),
        response_advantages(rewards, values, MASK, 0.9, 0.8),
        strict=True,
    ):
        assert_close(found, expected, "what the critic says of padding must not matter")


def advantages_are_white(response_advantages: Function) -> None:
    white, _ = response_advantages(numbers(8, 3, 3), numbers(9, 3, 3), MASK, 1.0, 0.95)
    counted = white[MASK > 0]
    assert_close(counted.mean(), torch.zeros((), dtype=torch.float64), "mean 0 over the mask")
    assert_close(
        counted.square().mean(), torch.ones((), dtype=torch.float64), "deviation 1 over the mask"
    )


def constant_rewards_of_a_blind_critic_teach_nothing(response_advantages: Function) -> None:
    rewards = torch.tensor([[0.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]]).double()
    white, returns = response_advantages(rewards, torch.zeros_like(rewards), MASK, 1.0, 1.0)
    assert_close(white, torch.zeros_like(white), "the same score for all is no advantage")
    assert_close(returns, 2.0 * MASK, "each token is followed by a return of 2")


# 11.3


def likelier_texts_cost_less(ppo_ptx_loss: Function) -> None:
    policy, log_probs = torch.tensor(0.2), torch.tensor([-1.0, -3.0])
    before = ppo_ptx_loss(policy, -log_probs.mean(), 0.5)
    after = ppo_ptx_loss(policy, -(log_probs + 0.5).mean(), 0.5)
    assert float(after) < float(before), "texts that became likelier made the loss larger"


# 11.4

VOCABULARY, LONGEST, END = 4, 7, 0
"""The tiny worlds: four tokens, the first of which ends a response."""


class Table(nn.Module):
    """A module made of tables, with a dropout that always strikes in training mode."""

    def train(self, mode: bool = True) -> "Table":
        """Switch training mode on or off."""
        super().train(mode)
        return self

    def eval(self) -> "Table":
        """Switch training mode off."""
        return self.train(False)


class TablePolicy(Table):
    """The logits after position t are ``last[t, x_t]`` plus ``before[x_s]`` for each s < t."""

    sandbox_names = frozenset({"training", "train", "eval", "parameters", "new_cache"})

    def __init__(self, last: Tensor, before: Tensor) -> None:
        super().__init__()
        self.last, self.before = nn.Parameter(last.clone()), nn.Parameter(before.clone())

    def new_cache(self, batch: int, longest: int) -> TableCache:
        """Remembers what each row has read."""
        return TableCache(batch, longest)

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, cache: TableCache | None = None
    ) -> Tensor:
        """(B, T, V) logits after each of ``tokens`` (B, T)."""
        seen = tokens if cache is None else cache.extend(tokens)
        logits = self.last[torch.arange(seen.shape[1]), seen]
        if not self.training:
            context = self.before[seen]
            logits = logits + context.cumsum(dim=1) - context
        return logits[:, -tokens.shape[1] :]


class TableCritic(Table):
    """The value after position t is ``table[t, x_t]``."""

    sandbox_names = frozenset({"training", "train", "eval", "parameters", "values"})

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(table.clone())

    def values(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, T) value after each of ``tokens`` (B, T)."""
        found = self.table[torch.arange(tokens.shape[1]), tokens]
        return 10 * found if self.training else found


class TableReward(Table):
    """The score is the sum of a number for each pair of the first token and a token that counts."""

    sandbox_names = frozenset({"training", "train", "eval", "parameters"})

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(table.clone())

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B,) scores."""
        found = (self.table[tokens[:, :1], tokens] * mask).sum(dim=1)
        return 10 * found if self.training else found


class TinyWorld:
    """Four models in a tiny language, plain gradient descent, and prompts.

    Args:
        seed: of the models and of the generator.
        rate: of the optimizer.
        settings: of ``RLHFConfig``.
        shift: how far the policy is from the reference to begin with.
        rows: prompts in a batch.
    """

    def __init__(
        self,
        seed: int,
        rate: float,
        settings: dict[str, Any],
        shift: float = 0.0,
        rows: int = 6,
    ) -> None:
        shapes = (LONGEST, VOCABULARY, VOCABULARY), (VOCABULARY, VOCABULARY)
        tables = [0.7 * numbers(seed + i, *shape) for i, shape in enumerate(shapes)]
        tables[0][:, :, END] -= 1.0
        self.reference = TablePolicy(*tables)
        self.actor = TablePolicy(*(x + shift * numbers(seed + 5, *x.shape) for x in tables))
        self.critic = TableCritic(0.3 * numbers(seed + 2, LONGEST, VOCABULARY))
        self.reward_model = TableReward(numbers(seed + 3, VOCABULARY, VOCABULARY))
        generator = torch.Generator().manual_seed(seed)
        self.prompts = torch.randint(1, VOCABULARY, (rows, 3), generator=generator)
        self.config = RLHFConfig(**({"max_new_tokens": 4, "minibatch_size": 4} | settings))
        self.optimizer = torch.optim.SGD(
            [*self.actor.parameters(), *self.critic.parameters()], lr=rate
        )
        self.generator = torch.Generator().manual_seed(seed + 7)
        self.texts: Texts | None = None

    @property
    def models(self) -> tuple[TablePolicy, TableCritic, TablePolicy, TableReward]:
        """Policy, critic, reference, reward model."""
        return self.actor, self.critic, self.reference, self.reward_model

    def in_training_mode(self) -> "TinyWorld":
        """All four, as a careless program leaves them."""
        for model in self.models:
            model.train()
        return self

    def step(self, rlhf_step: Function) -> dict[str, float]:
        """One call."""
        metrics = rlhf_step(
            *self.models, self.prompts, self.config, self.optimizer, END, self.generator, self.texts
        )
        return {name: float(metrics[name]) for name in sorted(metrics)}

    def weights(self) -> dict[str, Tensor]:
        """Of all four models."""
        names = ("actor", "critic", "reference", "reward_model")
        return {
            f"{name}.{key}": value.detach().clone()
            for name, model in zip(names, self.models, strict=True)
            for key, value in model.named_parameters()
        }


def some_texts(seed: int, rows: int) -> Texts:
    """Random texts of two tokens to four, padded with the end token."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, VOCABULARY, (rows, 5), generator=generator)
    lengths = torch.randint(2, 5, (rows, 1), generator=generator)
    mask = (torch.arange(5) < lengths).double()
    return Texts(torch.where(mask > 0, tokens, END), mask)


def collected(
    collect_experience: Function, seed: int, settings: dict[str, Any], shift: float, training: bool
) -> dict[str, Any]:
    """What one call collects, and whether a model is left in training mode."""
    world = TinyWorld(seed, 0.1, settings, shift)
    if training:
        world.in_training_mode()
    found = collect_experience(*world.models, world.prompts, world.config, END, world.generator)
    names = (
        "tokens", "mask", "log_probs", "ref_log_probs", "values", "advantages", "returns", "scores"
    )  # fmt: skip
    parts: dict[str, Any] = {name: getattr(found, name) for name in names}
    for name in ("ref_log_probs", "values"):  # behind the end they may be anything
        parts[name] = torch.where(parts["mask"] > 0, parts[name], 0.0)
    assert not any(part.requires_grad for part in parts.values()), (
        "experience carries a gradient: it is worked out once and never differentiated"
    )
    return parts | {"in training mode": [model.training for model in world.models]}


def trained(
    rlhf_step: Function,
    seed: int,
    settings: dict[str, Any],
    rate: float,
    shift: float,
    texts: bool,
) -> dict[str, Any]:
    """The weights of all four models after a step, and what was returned."""
    world = TinyWorld(seed, rate, settings, shift).in_training_mode()
    if texts:
        world.texts = some_texts(seed, len(world.prompts))
    for model in (world.actor, world.critic):
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
    metrics = world.step(rlhf_step)
    return {"metrics": metrics, "weights": world.weights()}


def reference_and_reward_model_stay(rlhf_step: Function) -> None:
    world = TinyWorld(11, 0.5, {"kl_coef": 0.1})
    before = world.weights()
    world.step(rlhf_step)
    after = world.weights()
    for name in before:
        changed = not torch.equal(before[name], after[name])
        frozen = name.startswith(("reference", "reward_model"))
        assert changed != frozen, f"{name} {'was changed' if frozen else 'was not trained'}"
    assert world.reference.last.grad is None, "a gradient was computed for the reference"
    assert world.reward_model.table.grad is None, "a gradient was computed for the reward model"


def at_first_there_is_no_divergence(rlhf_step: Function) -> None:
    world = TinyWorld(12, 0.1, {"epochs": 1, "minibatch_size": 100})
    metrics = world.step(rlhf_step)
    for name in ("kl", "approx_kl", "clip_fraction"):
        assert abs(metrics[name]) < 1e-10, (
            f"policy and reference are equal, and nothing has moved: {name} must be 0, "
            f"got {metrics[name]}"
        )


def divergence(world: TinyWorld) -> float:
    """KL of the policy's next token from the reference's behind each prompt, on average."""
    with torch.no_grad():
        new = world.actor.eval()(world.prompts)[:, -1].log_softmax(-1)
        ref = world.reference.eval()(world.prompts)[:, -1].log_softmax(-1)
    return float((new.exp() * (new - ref)).sum(-1).mean())


def first_token(world: TinyWorld, prompts: Tensor) -> Tensor:
    """(B, V) probabilities of the first response token."""
    with torch.no_grad():
        found: Tensor = world.actor.eval()(prompts)[:, -1].softmax(-1)
    return found


SIMPLE = {"kl_coef": 0.0, "lam": 1.0, "missing_end_penalty": 0.0, "epochs": 1, "minibatch_size": 64}


def probe_constant_reward(rlhf_step: Function) -> None:
    """A reward that is always the same, and a critic that knows nothing: the policy stays where it is."""
    world = TinyWorld(13, 0.5, SIMPLE | {"max_new_tokens": 1})
    with torch.no_grad():
        world.critic.table.zero_()
        world.reward_model.table.zero_()
    for _ in range(3):
        metrics = world.step(rlhf_step)
    assert divergence(world) < 1e-12 and abs(metrics["kl"]) < 1e-9, (
        "every response earned the same, and the policy moved away from the reference"
    )


def probe_reward_is_the_token(rlhf_step: Function) -> None:
    """The score of a one-token response is its number: larger ones must become likelier."""
    world = TinyWorld(14, 1.0, SIMPLE | {"max_new_tokens": 1}, rows=64)
    with torch.no_grad():
        world.critic.table.zero_()
        world.reward_model.table.copy_(torch.arange(4.0).double().expand(4, 4) - 3.0)
    ids = torch.arange(4.0).double()
    before = (first_token(world, world.prompts) * ids).sum(-1).mean()
    for _ in range(12):
        world.step(rlhf_step)
    after = (first_token(world, world.prompts) * ids).sum(-1).mean()
    assert after > before + 0.3, (
        f"the score is the number of the token, whose mean went from {before:.2f} to {after:.2f}"
    )


def probe_reward_depends_on_the_prompt(rlhf_step: Function) -> None:
    """Behind a prompt that ends with token k, only token k is good."""
    world = TinyWorld(15, 2.0, SIMPLE | {"max_new_tokens": 1}, rows=64)
    with torch.no_grad():
        world.critic.table.zero_()
        world.prompts[:, 0] = world.prompts[:, -1]
        world.reward_model.table.copy_(torch.eye(4).double() - 3.0)
    rows = torch.arange(64), world.prompts[:, -1]
    before = first_token(world, world.prompts)[rows].mean()
    for _ in range(12):
        world.step(rlhf_step)
    after = first_token(world, world.prompts)[rows].mean()
    assert after > before + 0.2, (
        f"each prompt has a good token of its own; its chance went from {before:.2f} to {after:.2f}"
    )


def probe_only_the_price(rlhf_step: Function) -> None:
    """No score, a price for each nat: a policy that is off returns to the reference."""
    world = TinyWorld(16, 1.0, SIMPLE | {"kl_coef": 1.0, "max_new_tokens": 1}, 1.0, rows=64)
    with torch.no_grad():
        world.critic.table.zero_()
        world.reward_model.table.zero_()
    before = divergence(world)
    for _ in range(15):
        world.step(rlhf_step)
    after = divergence(world)
    assert after < 0.5 * before, (
        f"only the distance to the reference costs something; it went from {before:.3f} to {after:.3f}"
    )


# 11.5


def nothing_near_it_is_better(kl_regularized_optimum: Function) -> None:
    reference, rewards, kl_coef = numbers(20, 6).log_softmax(0), numbers(21, 6), 0.4

    def objective(log_probs: Tensor) -> Tensor:
        chances = log_probs.exp()
        return (chances * rewards).sum() - kl_coef * (chances * (log_probs - reference)).sum()

    found = kl_regularized_optimum(reference, rewards, kl_coef)
    assert_close(
        found.exp().sum(), torch.ones((), dtype=torch.float64), "probabilities must sum to 1"
    )
    best = objective(found)
    for seed in range(30, 40):
        other = objective((found + 0.1 * numbers(seed, 6)).log_softmax(0))
        assert other < best, "a policy beside it has a larger expected reward minus β KL"


def a_tight_leash_gives_the_reference(kl_regularized_optimum: Function) -> None:
    reference = numbers(22, 5).log_softmax(0)
    found = kl_regularized_optimum(reference, numbers(23, 5), 1e12)
    assert_close(found, reference, "with a huge β the policy is the reference")


def only_differences_of_rewards_count(kl_regularized_optimum: Function) -> None:
    reference, rewards = numbers(24, 5).log_softmax(0), numbers(25, 5)
    assert_close(
        kl_regularized_optimum(reference, rewards + 7.0, 0.5),
        kl_regularized_optimum(reference, rewards, 0.5),
        "a constant added to all rewards changes nothing",
    )


# 11.6


def more_choice_goes_further(best_of_n_kl: Function) -> None:
    found = [float(best_of_n_kl(n)) for n in range(1, 9)]
    assert all(a < b for a, b in itertools.pairwise(found)), (
        "choosing among more goes further from the policy"
    )


def the_order_of_the_pool_does_not_matter(best_of_n_value: Function) -> None:
    proxy, gold = numbers(26, 9).round(), numbers(27, 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(28))
    assert_close(
        best_of_n_value(proxy[order], gold[order], 4),
        best_of_n_value(proxy, gold, 4),
        "the same pool in another order",
    )


# 11.7


def what_one_wins_the_other_loses(win_rate: Function) -> None:
    a, b = numbers(30, 20).round(), numbers(31, 20).round()
    rate, low, high = win_rate(a, b)
    other, other_low, other_high = win_rate(b, a)
    found = torch.tensor([other, other_low, other_high]).double()
    assert_close(
        found, torch.tensor([1 - rate, 1 - high, 1 - low]).double(), "A against B, B against A"
    )


def only_who_is_ahead_counts(win_rate: Function) -> None:
    a, b = numbers(32, 20).round(), numbers(33, 20).round()
    found = torch.tensor(win_rate(a.exp(), b.exp())).double()
    assert_close(found, torch.tensor(win_rate(a, b)).double(), "the exponentials of all scores")


def the_usual_width_is_95_percent(win_rate: Function) -> None:
    a, b = numbers(34, 20), numbers(35, 20)
    found = torch.tensor(win_rate(a, b)).double()
    assert_close(found, torch.tensor(win_rate(a, b, 1.96)).double(), "z is 1.96 if not given")


# 11.8


def twice_the_gain_is_twice_the_law(fit_overoptimization: Function) -> None:
    kl, gold = numbers(36, 8).abs(), numbers(37, 8)
    once = torch.tensor(fit_overoptimization(kl, gold)).double()
    twice = torch.tensor(fit_overoptimization(kl, 2 * gold)).double()
    assert_close(
        twice,
        2 * once,
        "gains twice as large have a law twice as large",
    )


def an_exact_law_is_found(fit_overoptimization: Function) -> None:
    kl = 0.2 + 5 * numbers(38, 7).abs()
    distance = kl.sqrt()
    found = torch.tensor(fit_overoptimization(kl, distance * (1.3 - 0.4 * distance))).double()
    assert_close(found, torch.tensor([1.3, 0.4]).double(), "points of the law 1.3, 0.4")
