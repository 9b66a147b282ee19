"""Exercise 10.7: train on some responses, judge on others."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import reward_model as probes
from rlcourse.support.preferences import Comparisons, RewardModelConfig

Pairs = list[tuple[int, int]]
KEPT = torch.tensor([1.0, 0.25] * 5, dtype=torch.float64)
"""What is left of each token's weight in training mode."""


def _texts(data: Comparisons) -> list[list[int]]:
    rows = zip(data.tokens.tolist(), data.mask.tolist(), strict=True)
    return [[token for token, m in zip(row, flags, strict=True) if m] for row, flags in rows]


def oracle(seed: int, size: int, pairs: int, settings: dict[str, Any]) -> dict[str, Any]:
    """With sets, counts of words, and the gradient and AdamW by hand."""
    data, config = probes.some_comparisons(seed, size, pairs), RewardModelConfig(**settings)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(size, generator=generator).tolist()
    held = set(order[: round(config.held_out * size)])
    both = list(zip(data.chosen.tolist(), data.rejected.tolist(), strict=True))
    train: Pairs = [pair for pair in both if not held & set(pair)]
    judged: Pairs = [pair for pair in both if set(pair) <= held]
    counts = torch.stack([torch.bincount(torch.tensor(t), minlength=10) for t in _texts(data)])
    run = _AdamW(probes.numbers(seed, 10), counts.double(), config)
    for _ in range(config.epochs):
        rows = torch.randperm(len(train), generator=generator).tolist()
        for start in range(0, len(rows), config.batch):
            run.step([train[row] for row in rows[start : start + config.batch]])
    return {
        "accuracy": run.accuracy(judged),
        "loss": run.loss,
        "pairs": float(len(judged)),
        "train_accuracy": run.accuracy(train),
        "train_pairs": float(len(train)),
        "weights": run.weights,
        "left in training mode": False,
    }


class _AdamW:
    """Loshchilov and Hutter (2019), for scores that hardly see odd tokens while training."""

    def __init__(self, weights: Tensor, counts: Tensor, config: RewardModelConfig) -> None:
        self.weights, self.counts, self.config = weights, counts, config
        self.first, self.second = torch.zeros_like(weights), torch.zeros_like(weights)
        self.steps, self.loss = 0, math.nan

    def gaps(self, pairs: Pairs) -> Tensor:
        return torch.stack([self.counts[i] - self.counts[j] for i, j in pairs])

    def step(self, pairs: Pairs) -> None:
        gaps, rate = self.gaps(pairs) * KEPT, self.config.learning_rate
        leads = gaps @ self.weights
        self.loss = float(softplus(-leads).mean())
        gradient = -(gaps * (-leads).sigmoid()[:, None]).mean(0)
        self.steps += 1
        self.weights = self.weights * (1 - rate * self.config.weight_decay)
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient.square()
        mean = self.first / (1 - 0.9**self.steps)
        spread = (self.second / (1 - 0.999**self.steps)).sqrt() + 1e-8
        self.weights = self.weights - rate * mean / spread

    def accuracy(self, pairs: Pairs) -> float:
        leads = [float(lead) for lead in self.gaps(pairs) @ self.weights]
        marks = [0.5 if abs(lead) < 1e-12 else float(lead > 0) for lead in leads]
        return math.fsum(marks) / len(marks)


class Training:
    """Training as the exercise asks. A mistake overrides the one thing in which it differs."""

    def __init__(
        self,
        model: nn.Module,
        data: Comparisons,
        config: RewardModelConfig,
        generator: torch.Generator,
    ) -> None:
        self.model, self.data, self.config, self.generator = model, data, config, generator
        self.loss = math.nan

    def held(self) -> Tensor:
        size = len(self.data.tokens)
        order = torch.randperm(size, generator=self.generator)
        return torch.isin(torch.arange(size), order[: round(self.config.held_out * size)])

    def divide(self) -> tuple[Tensor, Tensor]:
        held = self.held()
        first, second = held[self.data.chosen], held[self.data.rejected]
        return torch.where(~first & ~second)[0], torch.where(first & second)[0]

    def order(self, train: Tensor) -> Tensor:
        return train[torch.randperm(len(train), generator=self.generator)]

    def loss_of(self, chosen: Tensor, rejected: Tensor) -> Tensor:
        return softplus(rejected - chosen).mean()

    def optimizer(self) -> torch.optim.Optimizer:
        rate, decay = self.config.learning_rate, self.config.weight_decay
        return torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=decay)

    def update(self, pairs: Tensor, optimizer: torch.optim.Optimizer) -> None:
        loss = self.loss_of(*self.data.scores(self.model, pairs))
        self.forget(optimizer)
        loss.backward()
        optimizer.step()
        self.loss = loss.item()

    def forget(self, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()

    def begin(self) -> None:
        self.model.train()

    def finish(self) -> None:
        self.model.eval()

    def accuracy(self, pairs: Tensor) -> float:
        with torch.no_grad():
            chosen, rejected = self.data.scores(self.model, pairs)
        return float(((chosen - rejected).sign() / 2 + 0.5).mean())

    def run(self) -> dict[str, float]:
        train, judged = self.divide()
        self.begin()
        optimizer = self.optimizer()
        for _ in range(self.config.epochs):
            for pairs in self.order(train).split(self.config.batch):
                self.update(pairs, optimizer)
        self.finish()
        return self.report(train, judged)

    def report(self, train: Tensor, judged: Tensor) -> dict[str, float]:
        return {
            "loss": self.loss,
            "train_accuracy": self.accuracy(train),
            "accuracy": self.accuracy(judged),
            "train_pairs": float(len(train)),
            "pairs": float(len(judged)),
        }


def trains(kind: type[Training]) -> Callable[..., dict[str, float]]:
    """The function that a way of training makes."""

    def train_reward_model(
        model: nn.Module,
        comparisons: Comparisons,
        config: RewardModelConfig,
        generator: torch.Generator,
    ) -> dict[str, float]:
        return kind(model, comparisons, config, generator).run()

    return train_reward_model


class _ByPair(Training):
    def divide(self) -> tuple[Tensor, Tensor]:
        count = len(self.data.chosen)
        order = torch.randperm(count, generator=self.generator)
        cut = round(self.config.held_out * count)
        return order[cut:].sort().values, order[:cut].sort().values


class _OneSide(Training):
    def divide(self) -> tuple[Tensor, Tensor]:
        held = self.held()
        first, second = held[self.data.chosen], held[self.data.rejected]
        return torch.where(~first & ~second)[0], torch.where(first | second)[0]


class _OtherSide(Training):
    def divide(self) -> tuple[Tensor, Tensor]:
        held = self.held()
        first, second = held[self.data.chosen], held[self.data.rejected]
        return torch.where(~(first & second))[0], torch.where(first & second)[0]


class _Exchanged(Training):
    def divide(self) -> tuple[Tensor, Tensor]:
        train, judged = super().divide()
        return judged, train


class _All(Training):
    def divide(self) -> tuple[Tensor, Tensor]:
        return torch.arange(len(self.data.chosen)), super().divide()[1]


class _SameOrder(Training):
    def order(self, train: Tensor) -> Tensor:
        return train


class _Swapped(Training):
    def loss_of(self, chosen: Tensor, rejected: Tensor) -> Tensor:
        return softplus(chosen - rejected).mean()


class _Accumulates(Training):
    def forget(self, optimizer: torch.optim.Optimizer) -> None:
        pass


class _NeverTrains(Training):
    def begin(self) -> None:
        self.model.eval()


class _StaysInTraining(Training):
    def finish(self) -> None:
        pass


class _ModeLate(Training):
    def report(self, train: Tensor, judged: Tensor) -> dict[str, float]:
        self.model.train()
        found = super().report(train, judged)
        self.model.eval()
        return found


class _DropsTheRest(Training):
    def order(self, train: Tensor) -> Tensor:
        order = super().order(train)
        size = self.config.batch
        return order[: max(size, len(order) // size * size)]


class _Once(Training):
    def run(self) -> dict[str, float]:
        train, judged = self.divide()
        self.begin()
        optimizer = self.optimizer()
        for pairs in self.order(train).split(self.config.batch):
            self.update(pairs, optimizer)
        self.finish()
        return self.report(train, judged)


class _NoDecay(Training):
    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.model.parameters(), lr=self.config.learning_rate)


class _Adam(Training):
    def optimizer(self) -> torch.optim.Optimizer:
        rate, decay = self.config.learning_rate, self.config.weight_decay
        return torch.optim.Adam(self.model.parameters(), lr=rate, weight_decay=decay)


class _TrainingShown(Training):
    def report(self, train: Tensor, judged: Tensor) -> dict[str, float]:
        found = super().report(train, judged)
        return {**found, "accuracy": found["train_accuracy"]}


class _Lists(Training):
    """Another right way: lists of pairs."""

    def divide(self) -> tuple[Tensor, Tensor]:
        held = set(torch.where(self.held())[0].tolist())
        both = zip(self.data.chosen.tolist(), self.data.rejected.tolist(), strict=True)
        sides = [(a in held) + (b in held) for a, b in both]
        train = [i for i, side in enumerate(sides) if side == 0]
        return torch.tensor(train), torch.tensor([i for i, side in enumerate(sides) if side == 2])


def _case(
    name: str, seed: int, size: int, message: str, hidden: bool = False, **settings: Any
) -> Case:
    return Case(
        name,
        {"seed": seed, "size": size, "pairs": 6 * size, "settings": settings},
        message,
        probe=probes.trained,
        oracle=oracle,
        hidden=hidden,
    )


EXERCISE = ExerciseSpec(
    number="10.7",
    title="Train on some, judge on others",
    targets=("train_reward_model",),
    points=4,
    minutes=35,
    difficulty=4,
    section="A leak",
    statement="""
Put it together. Hold out some *responses*, train on pairs of the others, and measure accuracy on pairs of held-out
ones. A response of a judging pair must not occur in any training pair: a model with a good memory would recognize it.
Pairs of one and one are used for neither. `comparisons.scores(model, pairs)` takes the numbers of some pairs and
returns two tensors: scores of the preferred responses, and of the others. The docstring says which random numbers
are drawn, in which order, so that everybody gets the same result from the same generator.
""",
    hints=(
        "Which responses are held out is decided before anybody looks at a pair. Then each "
        "pair has none, one or two of them.",
        "A boolean (S) tells who is held out; index it with chosen and with rejected, and "
        "add: 0 is a training pair, 2 a judging pair.",
        "held from randperm(S); two index tensors; AdamW over the parameters; model.train(); "
        "epochs × batches of a fresh randperm; zero_grad, backward, step; model.eval(); two "
        "accuracies without gradient.",
    ),
    checks=(
        _case("one epoch", 0, 20, "20 responses, 120 pairs, one epoch", held_out=0.3, batch=16),
        _case(
            "three epochs",
            1,
            24,
            "24 responses, 144 pairs, three epochs",
            held_out=0.4,
            epochs=3,
            batch=10,
            learning_rate=0.05,
            weight_decay=0.1,
        ),
        Law(probes.held_out_responses_teach_nothing, "what was held out"),
        Law(probes.the_comparisons_are_left_alone, "the data"),
        _case(
            "two epochs",
            2,
            22,
            "22 responses, 132 pairs, two epochs",
            hidden=True,
            held_out=0.35,
            epochs=2,
            batch=12,
            learning_rate=0.03,
            weight_decay=0.2,
        ),
        _case(
            "large steps",
            3,
            18,
            "18 responses, a large learning rate",
            hidden=True,
            held_out=0.5,
            epochs=3,
            batch=7,
            learning_rate=0.2,
        ),
    ),
    mistakes=(
        Mistake(
            "split by pair",
            trains(_ByPair),
            "The same responses occur in training pairs and in judging pairs: a leak. Hold "
            "out responses, not pairs.",
        ),
        Mistake(
            "judged on mixed pairs",
            trains(_OneSide),
            "A pair with one response from training is half known. Judge on pairs whose "
            "responses are both held out.",
        ),
        Mistake(
            "trained on mixed pairs",
            trains(_OtherSide),
            "Pairs with one held-out response teach the model about it: a leak. They are "
            "used for neither.",
        ),
        Mistake(
            "the two parts exchanged",
            trains(_Exchanged),
            "The *first* of the permutation are held out, not trained on.",
        ),
        Mistake(
            "trained on everything",
            trains(_All),
            "Pairs of held-out responses must not be trained on.",
        ),
        Mistake(
            "always the same order",
            trains(_SameOrder),
            "Draw a new order of the training pairs for each epoch.",
        ),
        Mistake("swapped", trains(_Swapped), "The model learns to prefer what people rejected."),
        Mistake(
            "gradients add up",
            trains(_Accumulates),
            "Forget the gradients of the batch before: optimizer.zero_grad().",
        ),
        Mistake(
            "trained in evaluation mode",
            trains(_NeverTrains),
            "Call model.train() first: dropout belongs to training.",
        ),
        Mistake(
            "left in training mode",
            trains(_StaysInTraining),
            "Call model.eval() before anything is judged.",
        ),
        Mistake(
            "judged in training mode",
            trains(_ModeLate),
            "The model is judged in training mode, with its dropout on. Call model.eval() "
            "first, and leave it so.",
        ),
        Mistake(
            "the rest dropped",
            trains(_DropsTheRest),
            "The last batch of an epoch may be smaller; it counts too.",
        ),
        Mistake(
            "one epoch only", trains(_Once), "Go through the training pairs config.epochs times."
        ),
        Mistake("no weight decay", trains(_NoDecay), "Pass config.weight_decay to AdamW."),
        Mistake(
            "Adam",
            trains(_Adam),
            "AdamW decays the weights by themselves; Adam adds the decay to the gradient.",
        ),
        Mistake(
            "training accuracy reported",
            trains(_TrainingShown),
            "accuracy belongs to the judging pairs: the model has seen the others.",
        ),
    ),
    variants={"masks": trains(Training), "lists": trains(_Lists)},
    uses=("preference_loss", "preference_accuracy"),
)
