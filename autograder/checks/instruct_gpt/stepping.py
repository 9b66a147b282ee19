"""Ways to take a step of PPO on a language model for exercise 11.4, right and wrong."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rlcourse.support.generation import Generation, draw_tokens
from rlcourse.support.responses import Experience, Texts
from rlcourse.support.rlhf_config import RLHFConfig


class Step:
    """Collecting and training as the exercise asks. A mistake overrides the one thing in which it differs."""

    def __init__(
        self,
        actor: Any,
        critic: Any,
        reference: Any,
        reward_model: Any,
        prompts: Tensor,
        config: RLHFConfig,
        eos_id: int,
        generator: torch.Generator,
    ) -> None:
        self.actor, self.critic, self.reference = actor, critic, reference
        self.reward_model, self.prompts, self.config = reward_model, prompts, config
        self.eos_id, self.generator, self.width = eos_id, generator, prompts.shape[1]

    # Collecting.

    def prepare(self) -> None:
        for model in (self.actor, self.critic, self.reference, self.reward_model):
            model.eval()

    def generate(self) -> Generation:
        cache = self.actor.new_cache(len(self.prompts), self.width + self.config.max_new_tokens)
        tokens, scores, counts = [self.prompts], list[Tensor](), list[Tensor]()
        going = torch.ones(len(self.prompts), 1, dtype=torch.bool)
        for _ in range(self.config.max_new_tokens):
            logits = self.actor(tokens[-1], cache=cache)[:, -1] / self.config.temperature
            every = logits.log_softmax(-1)
            drawn = draw_tokens(every.exp(), self.generator)
            tokens.append(drawn.masked_fill(~going, self.eos_id))
            scores.append(every.gather(1, drawn).masked_fill(~going, 0.0))
            counts.append(going)
            going = going & (drawn != self.eos_id)
        mask = torch.cat(counts, 1).to(scores[0].dtype)
        longest = int(mask.sum(1).max())
        whole = torch.cat(tokens, 1)[:, : self.width + longest]
        return Generation(whole, torch.cat(scores, 1)[:, :longest], mask[:, :longest])

    def whole(self, mask: Tensor) -> Tensor:
        return torch.cat([mask.new_ones(len(mask), self.width), mask], dim=1)

    def log_probs(self, model: Any, tokens: Tensor) -> Tensor:
        logits = model(tokens)[:, self.width - 1 : -1] / self.config.temperature
        found: Tensor = logits.log_softmax(-1).gather(-1, tokens[:, self.width :, None])[..., 0]
        return found

    def values(self, tokens: Tensor, mask: Tensor) -> Tensor:
        found: Tensor = self.critic.values(tokens, self.whole(mask))[:, self.width - 1 : -1]
        return found

    def score(self, found: Generation) -> Tensor:
        scores: Tensor = self.reward_model(found.tokens, self.read_by_reward_model(found))
        return self.penalize(scores, found)

    def read_by_reward_model(self, found: Generation) -> Tensor:
        return self.whole(found.mask)

    def penalize(self, scores: Tensor, found: Generation) -> Tensor:
        ended = ((found.responses == self.eos_id) & (found.mask > 0)).any(1)
        cut = scores.clamp(max=0.0) - self.config.missing_end_penalty
        return torch.where(ended, scores, cut)

    def compared(self, found: Generation) -> Tensor:
        return self.log_probs(self.reference, found.tokens) * found.mask

    def rewards(self, scores: Tensor, found: Generation, ref: Tensor) -> Tensor:
        rewards = -self.config.kl_coef * (found.log_probs - ref) * found.mask
        rewards[torch.arange(len(scores)), found.mask.sum(1).long() - 1] += scores
        return rewards

    def credit(self, rewards: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        columns: list[Tensor] = []
        following, value = torch.zeros(len(mask)).to(values), torch.zeros(len(mask)).to(values)
        for t in range(mask.shape[1] - 1, -1, -1):
            error = rewards[:, t] + self.config.gamma * value - values[:, t]
            following = (error + self.config.gamma * self.config.lam * following) * mask[:, t]
            value = values[:, t] * mask[:, t]
            columns.insert(0, following)
        raw = torch.stack(columns, dim=1)
        counted = raw[mask > 0]
        white = (raw - counted.mean()) / (counted.std(correction=0) + 1e-8)
        return white * mask, (raw + values) * mask

    @torch.no_grad()
    def collect(self) -> Experience:
        self.prepare()
        found = self.generate()
        scores, ref = self.score(found), self.compared(found)
        values = self.values(found.tokens, found.mask) * found.mask
        rewards = self.rewards(scores, found, ref)
        white, returns = self.credit(rewards, values, found.mask)
        parts = (found.tokens, found.mask, found.log_probs, ref, values, white, returns, scores)
        return Experience(*parts)

    # Training.

    def weights(self, part: Experience) -> Tensor:
        return part.advantages

    def old(self, part: Experience) -> Tensor:
        return part.log_probs

    def policy_loss(self, new: Tensor, part: Experience) -> Tensor:
        ratio, eps = (new - self.old(part)).exp(), self.config.clip_range
        a = self.weights(part)
        paid = torch.minimum(ratio * a, ratio.clamp(1 - eps, 1 + eps) * a)
        return -paid[part.mask > 0].mean()

    def value_loss(self, part: Experience) -> Tensor:
        values, eps = self.values(part.tokens, part.mask), self.config.value_clip
        near = part.values + (values - part.values).clamp(-eps, eps)
        worse = torch.maximum((values - part.returns).square(), (near - part.returns).square())
        return worse[part.mask > 0].mean() / 2

    def texts(self, pretraining: Texts, rows: Tensor, part: Experience) -> Texts:
        return pretraining.rows(rows)

    def text_loss(self, texts: Texts) -> Tensor:
        every = self.actor(texts.tokens)[:, :-1].log_softmax(-1)
        found = every.gather(-1, texts.tokens[:, 1:, None])[..., 0]
        loss: Tensor = -found[texts.mask[:, 1:] > 0].mean()
        return loss

    def total(self, policy: Tensor, value: Tensor) -> Tensor:
        return policy + self.config.value_coef * value

    def shorten(self) -> None:
        for model in (self.actor, self.critic):
            torch.nn.utils.clip_grad_norm_(list(model.parameters()), self.config.max_grad_norm)

    def forget(self, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()

    def descend(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        self.forget(optimizer)
        loss.backward()
        self.shorten()
        optimizer.step()

    def order(self, size: int) -> Tensor:
        return torch.randperm(size, generator=self.generator)

    def epochs(self) -> int:
        return self.config.epochs

    def refresh(self, batch: Experience) -> Experience:
        return batch

    def before_training(self) -> None:
        pass

    def step(self, optimizer: torch.optim.Optimizer, pretraining: Texts | None) -> dict[str, float]:
        batch = self.collect()
        numbers, log = self.numbers(batch), list[dict[str, float]]()
        self.before_training()
        for _ in range(self.epochs()):
            batch = self.refresh(batch)
            for rows in self.order(len(self.prompts)).split(self.config.minibatch_size):
                part = batch.rows(rows)
                new = self.log_probs(self.actor, part.tokens)
                loss = self.policy_loss(new, part)
                if pretraining is not None:
                    texts = self.texts(pretraining, rows, part)
                    loss = loss + self.config.ptx_coef * self.text_loss(texts)
                value_loss = self.value_loss(part)
                log.append(self.about(new.detach(), part, loss.item(), value_loss.item()))
                self.descend(self.total(loss, value_loss), optimizer)
        means = {name: sum(row[name] for row in log) / len(log) for name in log[0]}
        return numbers | means

    def about(self, new: Tensor, part: Experience, policy: float, value: float) -> dict[str, float]:
        ratio = (new - self.old(part))[part.mask > 0].exp()
        return {
            "policy_loss": policy,
            "value_loss": value,
            "approx_kl": (ratio - 1 - ratio.log()).mean().item(),
            "clip_fraction": ((ratio - 1).abs() > self.config.clip_range).double().mean().item(),
        }

    def numbers(self, batch: Experience) -> dict[str, float]:
        counted = batch.mask > 0
        gaps = ((batch.log_probs - batch.ref_log_probs) * batch.mask).sum(1)
        returns, left = batch.returns[counted], (batch.returns - batch.values)[counted]
        ends = (batch.tokens[:, self.width :] == self.eos_id) & counted
        return {
            "score": batch.scores.mean().item(),
            "kl": gaps.mean().item(),
            "kl_coef": self.config.kl_coef,
            "entropy": -batch.log_probs[counted].mean().item(),
            "explained_variance": (1 - left.var(correction=0) / returns.var(correction=0)).item(),
            "response_length": batch.mask.sum(1).mean().item(),
            "ended": ends.any(1).double().mean().item(),
        }


def collects(kind: type[Step]) -> Callable[..., Experience]:
    """``collect_experience`` in this way."""

    def collect_experience(
        actor: Any,
        critic: Any,
        reference: Any,
        reward_model: Any,
        prompts: Tensor,
        config: RLHFConfig,
        eos_id: int,
        generator: torch.Generator,
    ) -> Experience:
        models = actor, critic, reference, reward_model
        return kind(*models, prompts, config, eos_id, generator).collect()

    return collect_experience


def steps(kind: type[Step]) -> Callable[..., dict[str, float]]:
    """``rlhf_step`` in this way."""

    def rlhf_step(
        actor: Any,
        critic: Any,
        reference: Any,
        reward_model: Any,
        prompts: Tensor,
        config: RLHFConfig,
        optimizer: torch.optim.Optimizer,
        eos_id: int,
        generator: torch.Generator,
        pretraining: Texts | None = None,
    ) -> dict[str, float]:
        models = actor, critic, reference, reward_model
        step = kind(*models, prompts, config, eos_id, generator)
        return step.step(optimizer, pretraining)

    return rlhf_step


# Wrong collecting.


class RewardModelTrains(Step):
    def prepare(self) -> None:
        for model in (self.actor, self.critic, self.reference):
            model.eval()


class AllTrain(Step):
    def prepare(self) -> None:
        pass

    def generate(self) -> Generation:
        mode = self.actor.training
        self.actor.eval()
        found = super().generate()
        self.actor.train(mode)
        return found


class CriticTrains(Step):
    def prepare(self) -> None:
        for model in (self.actor, self.reference, self.reward_model):
            model.eval()


class ReferenceIsActor(Step):
    def compared(self, found: Generation) -> Tensor:
        return self.log_probs(self.actor, found.tokens) * found.mask


class AgainstOld(Step):
    """The price compares with the policy that drew."""

    def rewards(self, scores: Tensor, found: Generation, ref: Tensor) -> Tensor:
        return super().rewards(scores, found, found.log_probs)


class ValuesOneLate(Step):
    def values(self, tokens: Tensor, mask: Tensor) -> Tensor:
        found: Tensor = self.critic.values(tokens, self.whole(mask))[:, self.width :]
        return found


class ReadsPadding(Step):
    def read_by_reward_model(self, found: Generation) -> Tensor:
        return torch.ones_like(self.whole(found.mask))


class ResponseOnly(Step):
    def read_by_reward_model(self, found: Generation) -> Tensor:
        whole = self.whole(found.mask)
        whole[:, : self.width] = 0
        return whole


class NoPenalty(Step):
    def penalize(self, scores: Tensor, found: Generation) -> Tensor:
        return scores


class PenaltyInTheEnd(Step):
    """Takes the end token in the prompt-less mask for granted: punishes those who ended."""

    def penalize(self, scores: Tensor, found: Generation) -> Tensor:
        ended = ((found.responses == self.eos_id) & (found.mask > 0)).any(1)
        cut = scores.clamp(max=0.0) - self.config.missing_end_penalty
        return torch.where(ended, cut, scores)


class OtherTemperature(Step):
    def compared(self, found: Generation) -> Tensor:
        logits: Tensor = self.reference(found.tokens)[:, self.width - 1 : -1]
        every = logits.log_softmax(-1)
        return every.gather(-1, found.tokens[:, self.width :, None])[..., 0] * found.mask


# Wrong training.


class RatioIsOne(Step):
    def policy_loss(self, new: Tensor, part: Experience) -> Tensor:
        self.now = new.detach()
        return super().policy_loss(new, part)

    def old(self, part: Experience) -> Tensor:
        return self.now


class PromptTrained(Step):
    """The loss also counts the tokens of the prompt, with the advantage of the first one drawn."""

    def policy_loss(self, new: Tensor, part: Experience) -> Tensor:
        every: Tensor = self.actor(part.tokens)[:, : self.width - 1] / self.config.temperature
        said = every.log_softmax(-1).gather(-1, part.tokens[:, 1 : self.width, None])[..., 0]
        ratio = (said - said.detach()).exp()
        return super().policy_loss(new, part) - (ratio * part.advantages[:, :1]).mean()


class PadsTrained(Step):
    def policy_loss(self, new: Tensor, part: Experience) -> Tensor:
        ratio, eps = (new - part.log_probs).exp(), self.config.clip_range
        a = part.advantages
        return -torch.minimum(ratio * a, ratio.clamp(1 - eps, 1 + eps) * a).mean()


class NoClip(Step):
    def policy_loss(self, new: Tensor, part: Experience) -> Tensor:
        paid = (new - part.log_probs).exp() * part.advantages
        return -paid[part.mask > 0].mean()


class FreeCritic(Step):
    def value_loss(self, part: Experience) -> Tensor:
        values = self.values(part.tokens, part.mask)
        return (values - part.returns).square()[part.mask > 0].mean() / 2


class ValueCoefForgotten(Step):
    def total(self, policy: Tensor, value: Tensor) -> Tensor:
        return policy + value


class OnRollouts(Step):
    """The language loss on what the policy wrote itself."""

    def texts(self, pretraining: Texts, rows: Tensor, part: Experience) -> Texts:
        return Texts(part.tokens, self.whole(part.mask))


class SameTexts(Step):
    """All texts in each minibatch."""

    def texts(self, pretraining: Texts, rows: Tensor, part: Experience) -> Texts:
        return pretraining


class ShortensTogether(Step):
    def shorten(self) -> None:
        both = [*self.actor.parameters(), *self.critic.parameters()]
        torch.nn.utils.clip_grad_norm_(both, self.config.max_grad_norm)


class NeverShortens(Step):
    def shorten(self) -> None:
        pass


class GradientsAddUp(Step):
    def forget(self, optimizer: torch.optim.Optimizer) -> None:
        pass


class OneEpoch(Step):
    def epochs(self) -> int:
        return 1


class SameOrder(Step):
    def order(self, size: int) -> Tensor:
        if not hasattr(self, "first_order"):
            self.first_order = super().order(size)
        return self.first_order


class DropsTheRest(Step):
    def order(self, size: int) -> Tensor:
        full = size // self.config.minibatch_size * self.config.minibatch_size
        return super().order(size)[: max(full, 1)]


class TrainsWithDropout(Step):
    def before_training(self) -> None:
        self.actor.train()
        self.critic.train()


class LogsAfter(Step):
    """Only the last minibatch."""

    def about(self, new: Tensor, part: Experience, policy: float, value: float) -> dict[str, float]:
        self.latest = super().about(new, part, policy, value)
        return self.latest

    def step(self, optimizer: torch.optim.Optimizer, pretraining: Texts | None) -> dict[str, float]:
        return super().step(optimizer, pretraining) | self.latest


# Other right ways.


class TwoBackwards(Step):
    def descend(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        for model in (self.actor, self.critic):
            for parameter in model.parameters():
                parameter.grad = None
        (0.5 * loss).backward(retain_graph=True)
        (0.5 * loss).backward()
        self.shorten()
        optimizer.step()


class Rescored(Step):
    """Log-probabilities of the draw computed again, in one pass."""

    def generate(self) -> Generation:
        found = super().generate()
        again = self.log_probs(self.actor, found.tokens) * found.mask
        return Generation(found.tokens, again, found.mask)
