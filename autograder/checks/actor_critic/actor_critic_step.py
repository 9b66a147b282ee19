"""Exercise 6.7: one update of actor and critic."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.actor_critic.step_oracle import logged, parameters
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import actor_critic as probes
from rlcourse.support.actor_critic_config import ActorCriticConfig
from rlcourse.support.networks import ActorCritic
from rlcourse.support.rollouts import Rollout

Optimizer = torch.optim.Optimizer


class Update:
    """One update as the exercise asks. A mistake overrides the one step in which it differs."""

    def __init__(self, agent: ActorCritic, rollout: Rollout, config: ActorCriticConfig) -> None:
        self.agent, self.rollout, self.config = agent, rollout, config
        self.values = agent.values(rollout.states)
        self.next_values = agent.values(rollout.next_observations)
        log_probs = agent.logits(rollout.states).log_softmax(-1)
        self.log_probs = log_probs.gather(-1, rollout.actions[..., None])[..., 0]
        self.entropies = -(log_probs.exp() * log_probs).sum(-1)

    def discounts(self) -> Tensor:
        return self.rollout.discounts(self.config.gamma)

    def mean(self, x: Tensor) -> Tensor:
        return self.rollout.counted(x).mean()

    def advantages(self) -> Tensor:
        discounts, ends = self.discounts(), self.rollout.ends.to(self.values.dtype)
        errors = self.rollout.rewards + discounts * self.next_values - self.values
        columns = [errors[:, -1]]
        for t in range(errors.shape[1] - 2, -1, -1):
            carry = self.config.lam * discounts[:, t] * (1 - ends[:, t])
            columns.insert(0, errors[:, t] + carry * columns[0])
        return torch.stack(columns, dim=1).detach()

    def weights(self, advantages: Tensor) -> Tensor:
        if not self.config.standardize:
            return advantages
        counted = self.rollout.counted(advantages)
        return (advantages - counted.mean()) / (counted.std(correction=0) + 1e-8)

    def targets(self, advantages: Tensor) -> Tensor:
        return advantages + self.values.detach()

    def loss(self, actor: Tensor, critic: Tensor, undecided: Tensor) -> Tensor:
        return actor + self.config.critic_coef * critic - self.config.entropy_coef * undecided

    def critic_error(self, returns: Tensor) -> Tensor:
        return self.mean((self.values - returns).square()) / 2

    def descend(self, loss: Tensor, optimizer: Optimizer) -> float:
        optimizer.zero_grad()
        loss.backward()
        return self.clip_and_step(optimizer)

    def clip_and_step(self, optimizer: Optimizer) -> float:
        norm = self.clip()
        optimizer.step()
        return norm

    def clip(self) -> float:
        parameters = list(self.agent.parameters())
        return float(torch.nn.utils.clip_grad_norm_(parameters, self.config.max_grad_norm))

    def run(self, optimizer: Optimizer) -> dict[str, float]:
        advantages = self.advantages()
        returns = self.targets(advantages)
        actor = -self.mean(self.weights(advantages) * self.log_probs)
        critic, undecided = self.critic_error(returns), self.mean(self.entropies)
        came = self.rollout.counted(returns)
        left = came - self.rollout.counted(self.values).detach()
        norm = self.descend(self.loss(actor, critic, undecided), optimizer)
        return {
            "actor_loss": actor.item(),
            "critic_loss": critic.item(),
            "entropy": undecided.item(),
            "explained_variance": float(1 - left.var(correction=0) / came.var(correction=0)),
            "grad_norm": norm,
        }


def step(kind: type[Update]) -> Any:
    def actor_critic_step(
        agent: ActorCritic, rollout: Rollout, optimizer: Optimizer, config: ActorCriticConfig
    ) -> dict[str, float]:
        return kind(agent, rollout, config).run(optimizer)

    return actor_critic_step


class KeepsOldGradients(Update):
    def descend(self, loss: Tensor, optimizer: Optimizer) -> float:
        loss.backward()
        return self.clip_and_step(optimizer)


class ClipsBeforeBackward(Update):
    def descend(self, loss: Tensor, optimizer: Optimizer) -> float:
        optimizer.zero_grad()
        norm = self.clip()
        loss.backward()
        optimizer.step()
        return norm


class ClipsAfterTheStep(Update):
    def clip_and_step(self, optimizer: Optimizer) -> float:
        optimizer.step()
        return self.clip()


class TakesTheClockForDeath(Update):
    def discounts(self) -> Tensor:
        return self.config.gamma * (~self.rollout.ends).to(self.values.dtype)


class RewardsCertainty(Update):
    def loss(self, actor: Tensor, critic: Tensor, undecided: Tensor) -> Tensor:
        return actor + self.config.critic_coef * critic + self.config.entropy_coef * undecided


class StandardizesTheTargets(Update):
    def targets(self, advantages: Tensor) -> Tensor:
        return self.weights(advantages) + self.values.detach()


class CountsPadding(Update):
    def weights(self, advantages: Tensor) -> Tensor:
        if not self.config.standardize:
            return advantages
        return (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)


class ForgetsTheCoefficient(Update):
    def loss(self, actor: Tensor, critic: Tensor, undecided: Tensor) -> Tensor:
        return actor + critic - self.config.entropy_coef * undecided


class AdvantagesAsTargets(Update):
    def targets(self, advantages: Tensor) -> Tensor:
        return advantages


class TwoBackwards(Update):
    """Another right way: each term's gradient is added to what is there."""

    def descend(self, loss: Tensor, optimizer: Optimizer) -> float:
        for parameter in self.agent.parameters():
            parameter.grad = None
        (0.5 * loss).backward(retain_graph=True)
        (0.5 * loss).backward()
        return self.clip_and_step(optimizer)


PLAIN = {
    "gamma": 0.9,
    "lam": 0.8,
    "critic_coef": 0.7,
    "entropy_coef": 0.3,
    "max_grad_norm": 100.0,
    "standardize": False,
}
STANDARD = PLAIN | {"standardize": True}
CLIPPED = STANDARD | {"max_grad_norm": 0.1}

EXERCISE = ExerciseSpec(
    number="6.7",
    title="One update of actor and critic",
    targets=("actor_critic_step",),
    points=4,
    minutes=35,
    difficulty=4,
    section="One update",
    statement="""
Put the parts together. The plumbing is given: logits, log-probabilities, values of each state and of its true
successor, discounts. Yours: advantages, the critic's targets, the loss, one step of the optimizer with a gradient of
bounded length, and the numbers for the log.

Your earlier functions may be used; in grading they are replaced by right ones.
""",
    hints=(
        "Three losses become one number; one backward pass gives all gradients; one step uses them.",
        "returns = advantages + values, before anything is standardized; loss = actor + critic_coef · critic − "
        "entropy_coef · mean entropy; then zero_grad, backward, clip, step, in this order.",
        "advantages = gae(…); returns = …; if config.standardize: use torch.std_mean of rollout.counted(advantages); "
        "three losses; optimizer.zero_grad(); (…).backward(); norm = torch.nn.utils.clip_grad_norm_(…); "
        "optimizer.step(); return a dict of floats.",
    ),
    checks=(
        Case(
            "one update",
            {"seed": 0, "updates": 1, "settings": PLAIN},
            "raw advantages, a gradient that needs no shortening: all parameters, against derivatives by hand",
            probe=probes.parameters_after,
            oracle=parameters,
        ),
        Case(
            "standardized advantages",
            {"seed": 1, "updates": 1, "settings": STANDARD},
            "the actor sees standardized advantages, the critic's targets stay as they are",
            probe=probes.parameters_after,
            oracle=parameters,
        ),
        Case(
            "a long gradient",
            {"seed": 2, "updates": 2, "settings": CLIPPED},
            "two updates with a gradient that must be shortened each time",
            probe=probes.parameters_after,
            oracle=parameters,
        ),
        Case(
            "numbers for the log",
            {"seed": 3, "settings": CLIPPED},
            "the names and values that are returned, as plain floats",
            probe=probes.numbers_for_the_log,
            oracle=logged,
        ),
        Law(probes.masked_steps_change_nothing, "padding is nobody's doing"),
        Law(probes.the_rollout_is_left_alone, "the experience is only read"),
        Law(
            probes.one_step_teaches_the_actor_nothing_when_standardized,
            "a batch of a single step has no deviation",
        ),
        Case(
            "other updates",
            {"seed": 4, "updates": 3, "settings": CLIPPED | {"max_grad_norm": 0.3, "lam": 0.5}},
            "three updates, other settings",
            probe=probes.parameters_after,
            oracle=parameters,
            hidden=True,
        ),
        Case(
            "another raw update",
            {"seed": 5, "updates": 1, "settings": PLAIN | {"critic_coef": 2.0}},
            "raw advantages, other coefficients",
            probe=probes.parameters_after,
            oracle=parameters,
            hidden=True,
        ),
        Case(
            "other numbers for the log",
            {"seed": 6, "settings": STANDARD},
            "another rollout",
            probe=probes.numbers_for_the_log,
            oracle=logged,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "no zero_grad",
            step(KeepsOldGradients),
            "backward() adds to the gradients that are there. Forget the old ones first: optimizer.zero_grad().",
        ),
        Mistake(
            "clipped before backward",
            step(ClipsBeforeBackward),
            "There is nothing to shorten before backward() has made the gradient. Order: backward, clip, step.",
        ),
        Mistake(
            "clipped after the step",
            step(ClipsAfterTheStep),
            "The optimizer has used the long gradient already. Order: backward, clip, step.",
        ),
        Mistake(
            "the clock taken for death",
            step(TakesTheClockForDeath),
            "The discounts are given: they are 0 only where the episode terminated. Do not put ends into them.",
        ),
        Mistake(
            "entropy with the wrong sign",
            step(RewardsCertainty),
            "The loss is minimized and the entropy is to be large: subtract it.",
        ),
        Mistake(
            "standardized advantages in the critic's targets",
            step(StandardizesTheTargets),
            "The critic foresees returns in their own units. Make the targets before you standardize.",
        ),
        Mistake(
            "padding in mean and deviation",
            step(CountsPadding),
            "Standardize with mean and deviation of the steps that count: rollout.counted(advantages).",
        ),
        Mistake(
            "critic_coef forgotten",
            step(ForgetsTheCoefficient),
            "The critic's loss has a weight of its own in the config.",
        ),
        Mistake(
            "advantages for targets",
            step(AdvantagesAsTargets),
            "The critic is to foresee the return: advantage plus what it had said.",
        ),
    ),
    variants={"an object": step(Update), "gradients in two parts": step(TwoBackwards)},
    uses=("gae", "actor_loss", "critic_loss", "entropy", "explained_variance"),
)
