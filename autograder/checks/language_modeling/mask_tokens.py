"""Exercise 1.3: hide tokens for a masked language model."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import language_modeling as probes

Answer = tuple[Tensor, Tensor]


class Masker:
    """Hides as the exercise asks. A mistake overrides the one step in which it differs."""

    keep_labels = False
    hidden, replaced = 0.8, 0.9

    def draw(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        return torch.rand(shape, generator=generator)

    def allowed(self, special: Tensor) -> Tensor:
        return ~special

    def fates(self, first: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
        return self.draw(shape, generator)

    def labels(self, tokens: Tensor, chosen: Tensor, seen: Tensor) -> Tensor:
        return torch.where(chosen, tokens, -100)

    def output(self, tokens: Tensor) -> Tensor:
        return tokens.clone()


def masker(kind: type[Masker]) -> Callable[..., Answer]:
    def mask_tokens(
        tokens: Tensor,
        special: Tensor,
        mask_id: int,
        vocab_size: int,
        rate: float,
        generator: torch.Generator,
    ) -> Answer:
        rule, shape = kind(), tokens.shape
        first = rule.draw(shape, generator)
        chosen = (first < rate) & rule.allowed(special)
        fate = rule.fates(first, shape, generator)
        others = torch.randint(vocab_size, shape, generator=generator)
        original, seen = tokens.clone(), rule.output(tokens)
        seen[chosen & (fate < rule.hidden)] = mask_id
        swapped = chosen & (fate >= rule.hidden) & (fate < rule.replaced)
        seen[swapped] = others[swapped]
        return seen, rule.labels(original, chosen, seen)

    return mask_tokens


class KeepsAllLabels(Masker):
    def labels(self, tokens: Tensor, chosen: Tensor, seen: Tensor) -> Tensor:
        return tokens


class MasksSpecials(Masker):
    def allowed(self, special: Tensor) -> Tensor:
        return torch.ones_like(special)


class AlwaysMask(Masker):
    hidden = 1.0


class NeverKeeps(Masker):
    replaced = 1.0


class OneDraw(Masker):
    """Asks the same random number which token and what becomes of it."""

    def fates(self, first: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
        return first


class LabelsOnlyChanges(Masker):
    def labels(self, tokens: Tensor, chosen: Tensor, seen: Tensor) -> Tensor:
        return torch.where(seen != tokens, tokens, -100)


class LabelsWhatIsSeen(Masker):
    def labels(self, tokens: Tensor, chosen: Tensor, seen: Tensor) -> Tensor:
        return torch.where(chosen, seen, -100)


class GlobalGenerator(Masker):
    def draw(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        return torch.rand(shape)


class InPlace(Masker):
    def output(self, tokens: Tensor) -> Tensor:
        return tokens


def _bernoulli(
    tokens: Tensor,
    special: Tensor,
    mask_id: int,
    vocab_size: int,
    rate: float,
    generator: torch.Generator,
) -> Answer:
    """As in the code of Hugging Face: one coin after another."""
    rates = torch.full(tokens.shape, rate).masked_fill(special, 0.0)
    chosen = torch.bernoulli(rates, generator=generator).bool()
    labels = tokens.masked_fill(~chosen, -100)
    half = torch.full(tokens.shape, 0.5)
    hidden = torch.bernoulli(torch.full(tokens.shape, 0.8), generator=generator).bool() & chosen
    swapped = torch.bernoulli(half, generator=generator).bool() & chosen & ~hidden
    others = torch.randint(vocab_size, tokens.shape, generator=generator)
    seen = tokens.masked_fill(hidden, mask_id)
    return torch.where(swapped, others, seen), labels


def _loop(
    tokens: Tensor,
    special: Tensor,
    mask_id: int,
    vocab_size: int,
    rate: float,
    generator: torch.Generator,
) -> Answer:
    """Token by token; draws only where something is to be decided."""
    seen, labels = tokens.clone(), torch.full_like(tokens, -100)
    flat_seen, flat_labels = seen.view(-1), labels.view(-1)
    chosen = (torch.rand(tokens.shape, generator=generator) < rate) & ~special
    for place in chosen.reshape(-1).nonzero().reshape(-1).tolist():
        flat_labels[place] = flat_seen[place]
        fate = int(torch.randint(10, (), generator=generator))
        if fate < 8:
            flat_seen[place] = mask_id
        elif fate == 8:
            flat_seen[place] = torch.randint(vocab_size, (), generator=generator)
    return seen, labels


def _shares(labelled: int, hidden: int, other: int, stayed: int) -> dict[str, int]:
    return {
        "tenths of all tokens that are labelled": labelled,
        "tenths of the labelled that are hidden": hidden,
        "tenths of the labelled that became another token": other,
        "tenths of the labelled that stayed": stayed,
    }


def _none_wrong(rate: float, seed: int) -> dict[str, int]:
    """Every rule holds in every place."""
    rules = (
        "special tokens with a label",
        "special tokens that changed",
        "labels that are not the token",
        "tokens that changed without a label",
        "tokens outside the vocabulary",
    )
    return dict.fromkeys(rules, 0)


def _row(*tokens: int) -> Tensor:
    return torch.tensor([tokens])


def _all_special(seed: int, mask_id: int) -> dict[str, object]:
    return {
        "tokens": _row(5, 6, 7),
        "special_mask": torch.ones(1, 3, dtype=torch.bool),
        "mask_id": mask_id,
        "vocab_size": 9,
        "rate": 1.0,
        "generator": torch.Generator().manual_seed(seed),
    }


def _unasked(seed: int) -> dict[str, object]:
    return _all_special(seed, 3) | {
        "special_mask": torch.zeros(1, 3, dtype=torch.bool),
        "rate": 0.0,
    }


EXERCISE = ExerciseSpec(
    number="1.3",
    title="Masked tokens",
    targets=("mask_tokens",),
    points=3,
    minutes=20,
    difficulty=2,
    section="Reading both sides",
    statement="""
Prepare a batch for a masked language model: choose tokens at random, hide most of them, and write down what stood
there. Of the chosen tokens 80 % become `mask_id`, 10 % a random token, and 10 % stay; **all** chosen ones get a
label. Your checks count tens of thousands of tokens, so the order of your draws does not matter.
""",
    hints=(
        "Two decisions for each token, each with a random number of its own: is it chosen? And if so, "
        "what becomes of it?",
        "chosen = (uniform < rate) and not special. A second uniform number, the fate: below 0.8 hide, from 0.8 to 0.9 "
        "replace, above leave. labels = token where chosen, −100 elsewhere.",
        "torch.rand(tokens.shape, generator=generator) twice, torch.randint(vocab_size, tokens.shape, "
        "generator=generator) once; nested torch.where for the fate; a last torch.where(chosen, ..., tokens).",
    ),
    checks=(
        Case(
            "nothing chosen",
            _unasked(0),
            "with a rate of 0 the text stays and every label is −100",
            expected=(_row(5, 6, 7), _row(-100, -100, -100)),
        ),
        Case(
            "all special",
            _all_special(1, 3),
            "special tokens are never chosen, even at a rate of 1",
            expected=(_row(5, 6, 7), _row(-100, -100, -100)),
        ),
        Case(
            "rules for each place",
            {"rate": 0.5, "seed": 0},
            "600 tokens, the first and last of each row special: places that break a rule",
            probe=probes.wrong_places,
            oracle=_none_wrong,
        ),
        Case(
            "80, 10, 10",
            {"rate": 1.0},
            "every token chosen: what became of 40,000 of them, in tenths",
            probe=probes.shares,
            expected=_shares(10, 8, 1, 1),
        ),
        Case(
            "three in ten",
            {"rate": 0.3},
            "three tokens in ten chosen, out of 40,000: what became of those, in tenths",
            probe=probes.shares,
            expected=_shares(3, 8, 1, 1),
        ),
        Law(
            probes.the_same_seed_hides_the_same_tokens, "randomness comes from the generator alone"
        ),
        Law(probes.every_token_can_come_in, "random tokens come from the whole vocabulary"),
        Case(
            "nothing chosen here either",
            _unasked(5),
            "with a rate of 0 nothing happens",
            expected=(_row(5, 6, 7), _row(-100, -100, -100)),
            hidden=True,
        ),
        Case(
            "all of them special",
            _all_special(6, 4),
            "special tokens are never chosen",
            expected=(_row(5, 6, 7), _row(-100, -100, -100)),
            hidden=True,
        ),
        Case(
            "rules elsewhere",
            {"rate": 0.8, "seed": 7},
            "600 other tokens: places that break a rule",
            probe=probes.wrong_places,
            oracle=_none_wrong,
            hidden=True,
        ),
        Case(
            "half of them",
            {"rate": 0.5},
            "half of 40,000 tokens chosen, in tenths",
            probe=probes.shares,
            expected=_shares(5, 8, 1, 1),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "labels kept everywhere",
            masker(KeepsAllLabels),
            "The model would be graded on tokens it can read, and learn to copy. Labels elsewhere are −100.",
        ),
        Mistake(
            "special tokens masked",
            masker(MasksSpecials),
            "Padding and sentence marks are not words: where special_mask is True, nothing is chosen.",
        ),
        Mistake(
            "every chosen token becomes the mask",
            masker(AlwaysMask),
            "Later texts hold no masks. One chosen token in ten stays and one in ten is random, so that the model must "
            "make something of every token.",
        ),
        Mistake(
            "no chosen token stays",
            masker(NeverKeeps),
            "80 % hidden, 10 % random, and the last 10 % are left as they are, with a label.",
        ),
        Mistake(
            "one random number for both decisions",
            masker(OneDraw),
            "A chosen token has a number below the rate, so it is always on the same side of 0.8. Draw again "
            "for its fate.",
        ),
        Mistake(
            "labels only where the token changed",
            masker(LabelsOnlyChanges),
            "A chosen token that was left as it is has a label too: the model must say whether it is the right one.",
        ),
        Mistake(
            "the label is what the model sees",
            masker(LabelsWhatIsSeen),
            "The label is the token that stood there before it was hidden.",
        ),
        Mistake(
            "drawn from the global generator",
            masker(GlobalGenerator),
            "Pass generator=generator to torch.rand, or nobody can repeat the run.",
        ),
        Mistake(
            "tokens changed in place",
            masker(InPlace),
            "The caller still needs the text: work on tokens.clone(), or with torch.where.",
        ),
    ),
    variants={"bernoulli": _bernoulli, "loop": _loop, "masker": masker(Masker)},
)
