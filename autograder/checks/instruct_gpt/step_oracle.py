"""What one step of PPO must do to models made of tables: loops over tokens, derivatives by hand."""

import math
from typing import Any

import torch
from torch import Tensor

from rlcourse.checks.probes.instruct_gpt import END, TinyWorld, some_texts
from rlcourse.support.generation import draw_tokens

WIDTH = 3
"""Tokens of a prompt."""


def _log_softmax(logits: Tensor) -> Tensor:
    return logits - logits.max() - (logits - logits.max()).exp().sum().log()


class Run:
    """One step, token by token."""

    def __init__(
        self,
        seed: int,
        settings: dict[str, Any],
        rate: float,
        shift: float,
        texts: bool,
    ) -> None:
        world = TinyWorld(seed, rate, settings, shift)
        self.config, self.rate, self.generator = world.config, rate, world.generator
        self.weights = world.weights()
        self.prompts = world.prompts.tolist()
        self.texts = some_texts(seed, len(self.prompts)) if texts else None
        self.rows: list[list[int]] = []
        self.log: list[dict[str, float]] = []

    def logits(self, name: str, row: list[int], t: int) -> Tensor:
        """After position t of a row."""
        last, before = self.weights[f"{name}.last"], self.weights[f"{name}.before"]
        found = last[t, row[t]].clone()
        for token in row[:t]:
            found = found + before[token]
        return found

    def chances(self, name: str, row: list[int], t: int) -> Tensor:
        """Log-probabilities of the token at t."""
        return _log_softmax(self.logits(name, row, t - 1) / self.config.temperature)

    def collect(self) -> None:
        """Draw, then score, price and credit each response."""
        config, size = self.config, len(self.prompts)
        rows, over = [list(p) for p in self.prompts], [False] * size
        for _ in range(config.max_new_tokens):
            every = torch.stack([self.chances("actor", row, len(row)) for row in rows])
            drawn = draw_tokens(every.exp(), self.generator)[:, 0].tolist()
            for b, token in enumerate(drawn):
                if not over[b]:
                    rows[b].append(token)
                    over[b] = token == END
                else:
                    rows[b].append(END)
        lengths = []
        for row in rows:
            response = row[WIDTH:]
            lengths.append(response.index(END) + 1 if END in response else len(response))
        self.rows = [row[: WIDTH + n] for row, n in zip(rows, lengths, strict=True)]
        self.over, self.longest = over, max(lengths)
        self.old = [self._scored("actor", row) for row in self.rows]
        self.ref = [self._scored("reference", row) for row in self.rows]
        self._pay()
        self._credit()

    def _scored(self, name: str, row: list[int]) -> list[float]:
        return [float(self.chances(name, row, t)[row[t]]) for t in range(WIDTH, len(row))]

    def _pay(self) -> None:
        table = self.weights["reward_model.table"]
        self.scores = []
        for row, over in zip(self.rows, self.over, strict=True):
            score = sum(float(table[row[0], token]) for token in row)
            self.scores.append(score if over else min(score, 0.0) - self.config.missing_end_penalty)

    def value(self, row: list[int], t: int) -> float:
        """Before the token at t."""
        return float(self.weights["critic.table"][t - 1, row[t - 1]])

    def _credit(self) -> None:
        config = self.config
        self.values = [[self.value(row, t) for t in range(WIDTH, len(row))] for row in self.rows]
        self.raw: list[list[float]] = []
        for b, values in enumerate(self.values):
            n = len(values)
            rewards = [
                -config.kl_coef * (self.old[b][t] - self.ref[b][t]) + (t == n - 1) * self.scores[b]
                for t in range(n)
            ]
            following = [*values[1:], 0.0]
            errors = [rewards[t] + config.gamma * following[t] - values[t] for t in range(n)]
            fade = config.gamma * config.lam
            self.raw.append(
                [sum(fade ** (k - t) * errors[k] for k in range(t, n)) for t in range(n)]
            )
        flat = [a for row in self.raw for a in row]
        middle = math.fsum(flat) / len(flat)
        spread = math.sqrt(math.fsum((a - middle) ** 2 for a in flat) / len(flat))
        self.white = [[(a - middle) / (spread + 1e-8) for a in row] for row in self.raw]
        self.returns = [
            [a + v for a, v in zip(raw, values, strict=True)]
            for raw, values in zip(self.raw, self.values, strict=True)
        ]

    def padded(self, columns: list[list[float]]) -> Tensor:
        """(B, N), 0 behind the end."""
        filled = [row + [0.0] * (self.longest - len(row)) for row in columns]
        return torch.tensor(filled, dtype=torch.float64)

    def train(self) -> None:
        for _ in range(self.config.epochs):
            order = torch.randperm(len(self.rows), generator=self.generator).tolist()
            size = self.config.minibatch_size
            for start in range(0, len(order), size):
                self._minibatch(order[start : start + size])

    def _minibatch(self, batch: list[int]) -> None:
        config = self.config
        slopes = {name: torch.zeros_like(self.weights[name]) for name in self.weights}
        count = sum(len(self.values[b]) for b in batch)
        seen = dict.fromkeys(("policy_loss", "value_loss", "approx_kl", "clip_fraction"), 0.0)
        for b in batch:
            row = self.rows[b]
            for k, t in enumerate(range(WIDTH, len(row))):
                every = self.chances("actor", row, t)
                ratio = math.exp(float(every[row[t]]) - self.old[b][k])
                paid, slope = self._clipped(ratio, self.white[b][k])
                scores = -every.exp()
                scores[row[t]] += 1
                self._push(slopes, row, t, -slope * ratio * scores / config.temperature / count)
                seen["policy_loss"] -= paid / count
                seen["approx_kl"] += (ratio - 1 - math.log(ratio)) / count
                seen["clip_fraction"] += (abs(ratio - 1) > config.clip_range) / count
                error, slope = self._critic(self.value(row, t), b, k)
                seen["value_loss"] += error / 2 / count
                slopes["critic.table"][t - 1, row[t - 1]] += config.value_coef * slope / count
        if self.texts is not None:
            seen["policy_loss"] += self._read(slopes, batch)
        self.log.append(seen)
        self._descend(slopes)

    def _clipped(self, ratio: float, a: float) -> tuple[float, float]:
        """What is paid, and its slope by the ratio."""
        low, high = 1 - self.config.clip_range, 1 + self.config.clip_range
        if a > 0 and ratio > high:
            return high * a, 0.0
        if a < 0 and ratio < low:
            return low * a, 0.0
        return ratio * a, a

    def _critic(self, value: float, b: int, k: int) -> tuple[float, float]:
        """Squared error, and half its derivative."""
        old, target, eps = self.values[b][k], self.returns[b][k], self.config.value_clip
        held = min(max(value, old - eps), old + eps)
        plain, other = (value - target) ** 2, (held - target) ** 2
        return max(plain, other), 0.0 if other > plain else value - target

    def _push(self, slopes: dict[str, Tensor], row: list[int], t: int, by_logits: Tensor) -> None:
        """Send the derivative by the logits of the token at t to the tables."""
        slopes["actor.last"][t - 1, row[t - 1]] += by_logits
        for token in row[: t - 1]:
            slopes["actor.before"][token] += by_logits

    def _read(self, slopes: dict[str, Tensor], batch: list[int]) -> float:
        """The language model's own loss on the texts of these rows."""
        assert self.texts is not None
        lengths = (self.texts.mask > 0).sum(1).tolist()
        texts = [self.texts.tokens[b, : lengths[b]].tolist() for b in batch]
        count = sum(len(text) - 1 for text in texts)
        total, coef = 0.0, self.config.ptx_coef
        for text in texts:
            for t in range(1, len(text)):
                every = _log_softmax(self.logits("actor", text, t - 1))
                total -= float(every[text[t]]) / count
                by_logits = every.exp()
                by_logits[text[t]] -= 1
                self._push(slopes, text, t, coef * by_logits / count)
        return coef * total

    def _descend(self, slopes: dict[str, Tensor]) -> None:
        for owner in ("actor", "critic"):
            own = [name for name in slopes if name.startswith(owner)]
            norm = float(torch.cat([slopes[name].flatten() for name in own]).norm())
            scale = self.rate * min(1.0, self.config.max_grad_norm / (norm + 1e-6))
            for name in own:
                self.weights[name] = self.weights[name] - scale * slopes[name]

    def metrics(self) -> dict[str, float]:
        """The numbers for the log, in alphabetical order."""
        size, flat = len(self.rows), [x for row in self.old for x in row]
        gaps = [sum(row) - sum(other) for row, other in zip(self.old, self.ref, strict=True)]
        came = torch.tensor([x for row in self.returns for x in row], dtype=torch.float64)
        left = came - torch.tensor([x for row in self.values for x in row], dtype=torch.float64)
        found = {
            "score": sum(self.scores) / size,
            "kl": sum(gaps) / size,
            "kl_coef": float(self.config.kl_coef),
            "entropy": -sum(flat) / len(flat),
            "explained_variance": float(1 - left.var(correction=0) / came.var(correction=0)),
            "response_length": len(flat) / size,
            "ended": sum(self.over) / size,
        }
        means = {name: sum(row[name] for row in self.log) / len(self.log) for name in self.log[0]}
        return dict(sorted((found | means).items()))


def collected(seed: int, settings: dict[str, Any], shift: float, training: bool) -> dict[str, Any]:
    """The experience, and the modes of the models."""
    run = Run(seed, settings, 0.1, shift, texts=False)
    run.collect()
    width = WIDTH + run.longest
    return {
        "tokens": torch.tensor([row + [END] * (width - len(row)) for row in run.rows]),
        "mask": run.padded([[1.0] * len(row) for row in run.old]),
        "log_probs": run.padded(run.old),
        "ref_log_probs": run.padded(run.ref),
        "values": run.padded(run.values),
        "advantages": run.padded(run.white),
        "returns": run.padded(run.returns),
        "scores": torch.tensor(run.scores, dtype=torch.float64),
        "in training mode": (False, False, False, False),
    }


def trained(
    seed: int, settings: dict[str, Any], rate: float, shift: float, texts: bool
) -> dict[str, Any]:
    """Metrics and weights after a step."""
    run = Run(seed, settings, rate, shift, texts)
    run.collect()
    run.train()
    return {"metrics": run.metrics(), "weights": run.weights}
