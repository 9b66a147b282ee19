"""A language model in miniature whose responses are rated, and how noisy its gradient is, exactly.

All responses of an ``EnumWorld`` are listed, so means and variances over them are sums. Variances are those *within* a
prompt, averaged over prompts: what the choice of tokens adds, not the choice of prompts.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from rlcourse.recipes.exact_variance import TablePlay
from rlcourse.support.enum_world import EnumWorld
from rlcourse.support.mdp import TabularMDP
from rlcourse.support.seeding import make_generator


@dataclass(frozen=True, slots=True)
class RatedResponses:
    """Every response to every prompt, with a rating paid after its last token."""

    world: EnumWorld
    theta: Tensor
    """(P, T, V+1, V) logits of the policy; P counts prompts."""
    ratings: Tensor
    """(P, R) one for each whole response."""
    reference: Tensor | None = None
    """(P, T, V+1, V) logits of a model to stay near to, if any."""
    kl_coef: float = 0.0
    """What a nat away from the reference costs, paid at each token."""

    def rewards(self) -> Tensor:
        """(P, R, T) what each token is paid: the penalty, and at the end the rating."""
        rewards = torch.zeros_like(self.world.token_log_probs(self.theta))
        if self.reference is not None:
            log_ratio = self.world.token_log_probs(self.theta) - self.world.token_log_probs(
                self.reference
            )
            rewards = -self.kl_coef * log_ratio
        rewards[..., -1] += self.ratings
        return rewards

    def chances(self) -> Tensor:
        """(P, R) probability of each response to its prompt."""
        return self.world.log_probs(self.theta).exp()

    def whole_returns(self) -> Tensor:
        """(P, R, T) the return of the response, the same at each of its tokens."""
        rewards = self.rewards()
        return rewards.sum(dim=-1, keepdim=True).expand_as(rewards)

    def rewards_to_go(self) -> Tensor:
        """(P, R, T) what is paid from each token on."""
        return self.rewards().flip(-1).cumsum(-1).flip(-1)

    def values(self) -> Tensor:
        """(P, R, T) expected reward-to-go, knowing the prompt and the tokens before."""
        paid_before = self.whole_returns() - self.rewards_to_go()
        whole = self.world.prefix_expectation(self.theta, self.whole_returns()[..., 0])
        return whole - paid_before

    def prompt_values(self) -> Tensor:
        """(P, 1, 1) expected return of a response to each prompt."""
        return (self.chances() * self.whole_returns()[..., 0]).sum(dim=1)[:, None, None]

    def scores(self) -> Tensor:
        """(P, R, T, D) gradient of each token's log-probability by the D logits of its prompt."""
        world = self.world
        chosen = one_hot(world.responses, world.vocabulary).to(self.theta.dtype)
        rows = chosen - world.logits(self.theta).softmax(dim=-1)
        none = torch.full((len(world.responses), 1), world.vocabulary)
        before = torch.cat([none, world.responses[:, :-1]], dim=1)
        place = torch.arange(world.steps) * (world.vocabulary + 1) + before
        places = one_hot(place, world.steps * (world.vocabulary + 1)).to(rows.dtype)
        return torch.einsum("rtk,prtv->prtkv", places, rows).flatten(3)

    def moments(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the gradient that one response gives.

        Args:
            weights: (P, R, T), or anything that expands to it: what multiplies each token's score.

        Returns:
            (P, D) the mean for each prompt, and () the variance within prompts.
        """
        samples = torch.einsum("prt,prtd->prd", weights.expand_as(self.rewards()), self.scores())
        mean = torch.einsum("pr,prd->pd", self.chances(), samples)
        square = (self.chances() * samples.square().sum(dim=2)).sum(dim=1)
        return mean, (square - mean.square().sum(dim=1)).mean()

    def leave_one_out_variance(self, samples: int) -> Tensor:
        r"""() variance of the mean gradient of K responses with the leave-one-out baseline, times K.

        With R centred, Z the score of the whole response and s the variance of R, each term has the second moment
        ``E[|Z|^2 (R^2 + s / (K-1))]``, and two terms have the mean product ``(1 + 1 / (K-1)^2) |E[Z R]|^2``,
        because E[Z] = 0 removes all the others.
        """
        chances, others = self.chances(), samples - 1
        centred = (self.whole_returns() - self.prompt_values())[..., 0]
        spread = (chances * centred.square()).sum(dim=1, keepdim=True)
        squares = self.scores().sum(dim=2).square().sum(dim=2)
        second = (chances * squares * (centred.square() + spread / others)).sum(dim=1)
        exact = self.moments(self.whole_returns())[0].square().sum(dim=1)
        return (second - (1 - 1 / others) * exact).mean()


def one_prompt(kl_coef: float = 0.3, seed: int = 0) -> RatedResponses:
    """One prompt, 64 responses of three tokens; ratings around 3, and a penalty at each token."""
    world, generator = EnumWorld(prompts=1), make_generator(seed)
    theta, reference = world.random_theta(generator), world.random_theta(generator)
    ratings = 3.0 + 2.0 * torch.randn(64, generator=generator, dtype=torch.float64)
    return RatedResponses(world, theta, ratings[None], reference, kl_coef)


def easy_and_hard(gap: float = 6.0, seed: int = 0) -> RatedResponses:
    """Two prompts; ratings of the first are higher by ``gap``, whatever the response. No penalty."""
    world, generator = EnumWorld(prompts=2), make_generator(seed)
    theta = world.random_theta(generator)
    ratings = 3.0 + 2.0 * torch.randn(2, 64, generator=generator, dtype=torch.float64)
    shift = torch.tensor([[gap / 2], [-gap / 2]], dtype=torch.float64)
    return RatedResponses(world, theta, ratings + shift)


def steady_pay(seed: int = 1) -> TablePlay:
    """Ten steps in a world of six states and three actions where every step pays around 5."""
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.full(6, 0.5), size=(6, 3))
    rewards = rng.normal(size=(6, 3)) + 5.0
    theta = 0.5 * rng.normal(size=(6, 3))
    mdp = TabularMDP(
        transitions=torch.tensor(transitions),
        rewards=torch.tensor(rewards),
        start=torch.full((6,), 1.0 / 6.0, dtype=torch.float64),
        terminal=torch.zeros(6, dtype=torch.bool),
        gamma=1.0,
    )
    return TablePlay(mdp, torch.tensor(theta), horizon=10, noise=0.5)
