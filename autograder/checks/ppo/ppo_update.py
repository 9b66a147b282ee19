"""Exercise 8.5: one update of PPO."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.ppo.update_oracle import logged, parameters
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import ppo as probes
from rlcourse.support.networks import ActorCritic
from rlcourse.support.ppo_config import PPOConfig
from rlcourse.support.rollouts import Rollout

Optimizer = torch.optim.Optimizer
Columns = dict[str, Tensor]


class Update:
    """One update as the exercise asks. A mistake overrides the one step in which it differs."""

    def __init__(
        self,
        agent: ActorCritic,
        rollout: Rollout,
        optimizer: Optimizer,
        config: PPOConfig,
        generator: torch.Generator,
    ) -> None:
        self.agent, self.rollout, self.optimizer = agent, rollout, optimizer
        self.config, self.generator = config, generator
        self.log: list[dict[str, float]] = []

    def policy(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        log_policy = self.agent.logits(states).log_softmax(-1)
        chosen = log_policy.gather(-1, actions[..., None])[..., 0]
        return chosen, -(log_policy.exp() * log_policy).sum(-1)

    @torch.no_grad()
    def work_out(self) -> Columns:
        rollout, config = self.rollout, self.config
        values = self.agent.values(rollout.observations)
        discounts, ends = rollout.discounts(config.gamma), rollout.ends.to(values.dtype)
        errors = rollout.rewards + discounts * values[:, 1:] - values[:, :-1]
        columns = [errors[:, -1]]
        for t in range(errors.shape[1] - 2, -1, -1):
            carry = config.lam * discounts[:, t] * (1 - ends[:, t])
            columns.insert(0, errors[:, t] + carry * columns[0])
        advantages = torch.stack(columns, dim=1)
        parts = {
            "states": rollout.states,
            "actions": rollout.actions,
            "old": self.policy(rollout.states, rollout.actions)[0],
            "values": values[:, :-1],
            "advantages": advantages,
            "returns": advantages + values[:, :-1],
        }
        return {name: rollout.counted(part) for name, part in parts.items()}

    def at_first(self, batch: Columns) -> Columns:
        return batch

    def each_epoch(self, batch: Columns) -> Columns:
        return batch

    def deal(self, n: int) -> Any:
        return torch.randperm(n, generator=self.generator).split(self.config.minibatch_size)

    def weights(self, advantages: Tensor) -> Tensor:
        if not self.config.standardize:
            return advantages
        return (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)

    def paid(self, ratio: Tensor, a: Tensor) -> Tensor:
        eps = self.config.clip_eps
        return torch.minimum(ratio * a, ratio.clamp(1 - eps, 1 + eps) * a)

    def errors(self, values: Tensor, mini: Columns) -> Tensor:
        eps = self.config.value_clip_eps
        near = mini["values"] + (values - mini["values"]).clamp(-eps, eps)
        plain = (values - mini["returns"]).square()
        return torch.maximum(plain, (near - mini["returns"]).square())

    def total(self, policy: Tensor, value: Tensor, undecided: Tensor) -> Tensor:
        return policy + self.config.critic_coef * value - self.config.entropy_coef * undecided

    def forget(self) -> None:
        self.optimizer.zero_grad()

    def shorten(self) -> float:
        parameters = list(self.agent.parameters())
        return float(torch.nn.utils.clip_grad_norm_(parameters, self.config.max_grad_norm))

    def descend(self, loss: Tensor) -> float:
        self.forget()
        loss.backward()
        norm = self.shorten()
        self.optimizer.step()
        return norm

    def minibatch(self, mini: Columns) -> None:
        log_probs, entropies = self.policy(mini["states"], mini["actions"])
        ratio = (log_probs - mini["old"]).exp()
        policy_loss = -self.paid(ratio, self.weights(mini["advantages"])).mean()
        value_loss = self.errors(self.agent.values(mini["states"]), mini).mean() / 2
        ratio = ratio.detach()
        row = {
            "policy_loss": policy_loss.item(),
            "value_loss": value_loss.item(),
            "entropy": entropies.mean().item(),
            "approx_kl": (ratio - 1 - ratio.log()).mean().item(),
            "clip_fraction": ((ratio - 1).abs() > self.config.clip_eps).double().mean().item(),
        }
        norm = self.descend(self.total(policy_loss, value_loss, entropies.mean()))
        self.log.append(row | {"grad_norm": norm})

    def far(self, first: int) -> bool:
        moved = [row["approx_kl"] for row in self.log[first:]]
        return sum(moved) / len(moved) > self.config.target_kl

    def summary(self) -> dict[str, float]:
        return {name: sum(row[name] for row in self.log) / len(self.log) for name in self.log[0]}

    def run(self) -> dict[str, float]:
        batch = self.at_first(self.work_out())
        epochs = 0
        for _ in range(self.config.epochs):
            epochs += 1
            first, batch = len(self.log), self.each_epoch(batch)
            for rows in self.deal(len(batch["actions"])):
                self.minibatch({name: x[rows] for name, x in batch.items()})
            if self.far(first):
                break
        return self.summary() | {"epochs": float(epochs)}


def update(kind: type[Update]) -> Any:
    def ppo_update(
        agent: ActorCritic,
        rollout: Rollout,
        optimizer: Optimizer,
        config: PPOConfig,
        generator: torch.Generator,
    ) -> dict[str, float]:
        return kind(agent, rollout, optimizer, config, generator).run()

    return ppo_update


class OldIsNew(Update):
    def each_epoch(self, batch: Columns) -> Columns:
        return batch | {"old": self.work_out()["old"]}


class RatioIsOne(Update):
    def minibatch(self, mini: Columns) -> None:
        old = self.policy(mini["states"], mini["actions"])[0].detach()
        super().minibatch(mini | {"old": old})


class NewAdvantages(Update):
    def each_epoch(self, batch: Columns) -> Columns:
        new = self.work_out()
        return batch | {name: new[name] for name in ("advantages", "returns", "values")}


class NeverStops(Update):
    def far(self, first: int) -> bool:
        return False


class StopsByTheLastMinibatch(Update):
    def far(self, first: int) -> bool:
        return self.log[-1]["approx_kl"] > self.config.target_kl


class StopsByAllSoFar(Update):
    def far(self, first: int) -> bool:
        return super().far(0)


class KeepsOldGradients(Update):
    def forget(self) -> None:
        pass


class ShortensTooEarly(Update):
    def descend(self, loss: Tensor) -> float:
        self.forget()
        norm = self.shorten()
        loss.backward()
        self.optimizer.step()
        return norm


class RewardsCertainty(Update):
    def total(self, policy: Tensor, value: Tensor, undecided: Tensor) -> Tensor:
        return policy + self.config.critic_coef * value + self.config.entropy_coef * undecided


class StandardizesOnce(Update):
    def at_first(self, batch: Columns) -> Columns:
        return batch | {"advantages": super().weights(batch["advantages"])}

    def weights(self, advantages: Tensor) -> Tensor:
        return advantages


class StandardizesTheTargets(Update):
    def errors(self, values: Tensor, mini: Columns) -> Tensor:
        targets = self.weights(mini["advantages"]) + mini["values"]
        return super().errors(values, mini | {"returns": targets})


class FreeCritic(Update):
    def errors(self, values: Tensor, mini: Columns) -> Tensor:
        return (values - mini["returns"]).square()


class OneOrder(Update):
    def deal(self, n: int) -> Any:
        again = torch.Generator().manual_seed(self.generator.initial_seed())
        return torch.randperm(n, generator=again).split(self.config.minibatch_size)


class LogsTheLastEpoch(Update):
    def summary(self) -> dict[str, float]:
        return self.log[-1]


class TwoBackwards(Update):
    """Another right way: each half's gradient is added to what is there."""

    def descend(self, loss: Tensor) -> float:
        for parameter in self.agent.parameters():
            parameter.grad = None
        (0.5 * loss).backward(retain_graph=True)
        (0.5 * loss).backward()
        norm = self.shorten()
        self.optimizer.step()
        return norm


PLAIN = {
    "gamma": 0.9,
    "lam": 0.8,
    "epochs": 1,
    "minibatch_size": 100,
    "clip_eps": 0.2,
    "critic_coef": 0.7,
    "entropy_coef": 0.3,
    "max_grad_norm": 100.0,
    "standardize": False,
}
EPOCHS = PLAIN | {"epochs": 3, "minibatch_size": 5}
STANDARD = EPOCHS | {"standardize": True}
HELD = STANDARD | {"value_clip_eps": 0.1, "max_grad_norm": 0.4}
STOPS = STANDARD | {"epochs": 6, "target_kl": 0.08}
STOPS_EARLY = STANDARD | {"epochs": 6, "minibatch_size": 4, "target_kl": 0.03}


def trained(
    name: str, seed: int, settings: dict[str, Any], message: str, hidden: bool = False
) -> Case:
    inputs = {"seed": seed, "settings": settings, "rate": 0.3}
    probe = probes.parameters_after
    return Case(name, inputs, message, probe=probe, oracle=parameters, hidden=hidden)


def told(
    name: str, seed: int, settings: dict[str, Any], message: str, hidden: bool = False
) -> Case:
    inputs = {"seed": seed, "settings": settings, "rate": 0.3}
    probe = probes.numbers_for_the_log
    return Case(name, inputs, message, probe=probe, oracle=logged, hidden=hidden)


EXERCISE = ExerciseSpec(
    number="8.5",
    title="One update of PPO",
    targets=("ppo_update",),
    points=4,
    minutes=45,
    difficulty=5,
    section="One update",
    statement="""
Put the parts together. Given: `work_out`, which computes *once* what belongs to the policy that acted
(log-probabilities,
values, advantages, returns), `log_probs_and_entropies` of the policy as it is now, and `mean_of` for the log. Yours:
the
epochs, the minibatches, the loss, one step of the optimizer for each, and when to stop.

Your functions 8.1 to 8.4 may be used; in grading they are replaced by right ones. `work_out` calls `gae` of exercise
6.2. If
your chapter 6 lies in a folder beside this one, put `rlcourse.overlay("../ch06")` before `rlcourse.overlay(".")`; if
you are
stuck there, `rlcourse.use_solutions("actor_critic")`.
""",
    hints=(
        "Two loops, epochs and minibatches. Inside: what exercise 6.7 did, on some rows, with the clipped losses.",
        "L = policy loss + critic_coef · value loss − entropy_coef · mean entropy. Standardize the rows' "
        "advantages, not the "
        "returns. Everything in `batch` stays as it is; only what the networks say now is computed again.",
        "For each epoch, for each `rows` of minibatches(…): take these rows of every column; ask the policy "
        "and the critic; "
        "ones for a mask; two losses; zero_grad, backward, clip_grad_norm_, step; append a dict to the log. "
        "After the epoch "
        "compare the mean approx_kl of *its* minibatches with target_kl. Return mean_of(log) and the number of epochs.",
    ),
    checks=(
        trained(
            "one minibatch",
            0,
            PLAIN,
            "one epoch, one minibatch, raw advantages: all parameters, derivatives by hand",
        ),
        trained(
            "three epochs",
            1,
            EPOCHS,
            "three epochs in minibatches of 5: the ratio moves and the clip acts",
        ),
        trained(
            "standardized",
            2,
            STANDARD,
            "advantages standardized in each minibatch, the targets left as they are",
        ),
        trained(
            "a minibatch of one",
            10,
            STANDARD | {"minibatch_size": 13},
            "its only advantage, standardized, is 0; not NaN",
        ),
        trained("held back", 3, HELD, "a clipped critic, and gradients that must be shortened"),
        trained("early stop", 4, STOPS, "no further epoch after one that moved too far"),
        told(
            "numbers for the log",
            5,
            HELD,
            "names and values that are returned: means over all minibatches",
        ),
        told(
            "numbers after an early stop",
            11,
            STOPS_EARLY,
            "the number of epochs, and means over those",
        ),
        Law(probes.one_epoch_on_the_whole_batch_moves_nothing_yet, "measured before the step"),
        Law(probes.the_rollout_is_left_alone, "the experience is only read"),
        trained(
            "other epochs",
            6,
            HELD | {"epochs": 4, "lam": 0.5},
            "four epochs, other settings",
            hidden=True,
        ),
        trained(
            "another early stop", 18, STOPS | {"minibatch_size": 4}, "another batch", hidden=True
        ),
        trained(
            "raw",
            8,
            EPOCHS | {"critic_coef": 2.0},
            "raw advantages, another coefficient",
            hidden=True,
        ),
        told(
            "other numbers", 20, STOPS_EARLY | {"target_kl": 0.05}, "another rollout", hidden=True
        ),
    ),
    mistakes=(
        Mistake(
            "the ratio is always 1",
            update(RatioIsOne),
            "The old log-probabilities are those recorded in `batch`. Computed again they equal the new "
            "ones, and nothing is "
            "ever clipped.",
        ),
        Mistake(
            "old log-probabilities again each epoch",
            update(OldIsNew),
            "The ratio compares with the policy that *acted*, in every epoch. Call work_out once.",
        ),
        Mistake(
            "advantages again each epoch",
            update(NewAdvantages),
            "Advantages and targets are worked out once, before the critic is trained.",
        ),
        Mistake("never stops", update(NeverStops), "What does config.target_kl say?"),
        Mistake(
            "stops by the last minibatch",
            update(StopsByTheLastMinibatch),
            "A single minibatch is noisy: take the mean over all of the epoch.",
        ),
        Mistake(
            "stops by all epochs so far",
            update(StopsByAllSoFar),
            "Early epochs have hardly moved. Take the mean over the minibatches of this epoch.",
        ),
        Mistake(
            "no zero_grad",
            update(KeepsOldGradients),
            "backward() adds to the gradients that are there. Forget the old ones first.",
        ),
        Mistake(
            "clipped before backward",
            update(ShortensTooEarly),
            "There is nothing to shorten before backward() has made the gradient. Order: backward, clip, step.",
        ),
        Mistake(
            "entropy with the wrong sign",
            update(RewardsCertainty),
            "The loss is minimized and the entropy is to be large: subtract it.",
        ),
        Mistake(
            "standardized once for the batch",
            update(StandardizesOnce),
            "Mean and deviation are those of the minibatch. (Both are in use; the docstring asks for this one.)",
        ),
        Mistake(
            "standardized advantages in the critic's targets",
            update(StandardizesTheTargets),
            "The critic foresees returns in their own units: use batch.returns.",
        ),
        Mistake(
            "the critic is not clipped",
            update(FreeCritic),
            "config.value_clip_eps holds the critic near what it said before.",
        ),
        Mistake(
            "the same order in every epoch",
            update(OneOrder),
            "Call minibatches anew in each epoch, with the generator that is passed in.",
        ),
        Mistake(
            "only the last minibatch is logged",
            update(LogsTheLastEpoch),
            "The log holds means over all minibatches of the update.",
        ),
    ),
    variants={"an object": update(Update), "gradients in two parts": update(TwoBackwards)},
    uses=(
        "clipped_surrogate_loss",
        "clip_fraction",
        "approx_kl",
        "clipped_value_loss",
        "minibatches",
    ),
)
