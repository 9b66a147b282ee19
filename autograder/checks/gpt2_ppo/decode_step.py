"""Exercise 12.3: one token, with a cache of fixed size."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import gpt2_ppo as probes
from rlcourse.support.fast_gpt2 import DecodeCache, FastGPT2
from rlcourse.support.gpt2 import GPT2
from rlcourse.support.gpt2_weights import load_weights

TURNED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
Step = Callable[[FastGPT2, Tensor, DecodeCache], tuple[Tensor, DecodeCache]]


def oracle(
    seed: int, padding: list[int], width: int, new: int, slots: int, rubbish: float = 0.0
) -> dict[str, Any]:
    """The plain model, which reads the whole text and has no cache."""
    fast, plain = probes.decoder(seed), GPT2(probes.SMALL).double()
    weights = {n: x.T if n.endswith(TURNED) else x for n, x in fast.named_parameters()}
    del weights["lm_head"]
    load_weights(plain, {name: x.contiguous() for name, x in weights.items()})
    tokens = probes.whole_numbers(seed, 11, len(padding), width + new)
    mask = torch.cat([probes.prompt_mask(padding, width), torch.ones(len(padding), new)], dim=1)
    with torch.no_grad():
        logits = plain(tokens, mask)[:, width:]
    filled = torch.zeros(len(padding), slots, dtype=torch.bool)
    filled[:, : width + new] = mask > 0
    return {
        "logits": logits,
        "slots used": width + new,
        "slots that count": filled,
        "the returned cache": (width + new, filled),
    }


class Stepper:
    """A step as the exercise asks. A mistake overrides the one thing in which it differs."""

    def __init__(self, model: FastGPT2, token: Tensor, cache: DecodeCache) -> None:
        self.model, self.token, self.cache = model, token, cache

    def positions(self) -> Tensor:
        return self.cache.mask.long().sum(dim=1)

    def slot(self) -> int:
        return int(self.cache.used)

    def visible(self) -> Tensor:
        return self.cache.mask

    def mark(self) -> None:
        self.cache.mask[:, self.slot()] = True

    def keep(self, layer: int, key: Tensor, value: Tensor) -> None:
        self.cache.keys[layer, :, :, self.slot()] = key
        self.cache.values[layer, :, :, self.slot()] = value

    def attend(self, layer: int, query: Tensor) -> Tensor:
        """By hand, where the reference calls a fused function."""
        scores = torch.einsum("bhd,bhsd->bhs", query, self.cache.keys[layer]) * self.scale(query)
        chances = scores.masked_fill(~self.visible()[:, None], float("-inf")).softmax(dim=-1)
        return torch.einsum("bhs,bhsd->bhd", chances, self.cache.values[layer])

    def scale(self, query: Tensor) -> float:
        return float(query.shape[-1] ** -0.5)

    def advance(self) -> None:
        self.cache.used.add_(1)

    def body(self) -> Tensor:
        hidden = self.model.embed(self.token, self.positions())
        self.mark()
        for layer in range(self.model.layers):
            query, key, value = self.model.project(layer, hidden)
            self.keep(layer, key, value)
            hidden = self.model.finish(layer, hidden, self.attend(layer, query))
        return hidden

    def run(self) -> tuple[Tensor, DecodeCache]:
        logits = self.model.logits(self.body())
        self.advance()
        return logits, self.cache


def steps(kind: type[Stepper]) -> Step:
    """The function that a way of stepping makes."""

    def decode_step(
        model: FastGPT2, token: Tensor, cache: DecodeCache
    ) -> tuple[Tensor, DecodeCache]:
        return kind(model, token, cache).run()

    return decode_step


class _PositionLate(Stepper):
    def positions(self) -> Tensor:
        return super().positions() + 1


class _PositionEarly(Stepper):
    def positions(self) -> Tensor:
        return super().positions() - 1


class _PositionIsSlot(Stepper):
    def positions(self) -> Tensor:
        return self.cache.used.expand(len(self.token))


class _NoMask(Stepper):
    def visible(self) -> Tensor:
        return torch.ones_like(self.cache.mask)


class _UsedSlots(Stepper):
    def visible(self) -> Tensor:
        rows, slots = self.cache.mask.shape
        return (torch.arange(slots) <= self.slot()).expand(rows, -1)


class _NotItself(Stepper):
    def visible(self) -> Tensor:
        mask = self.cache.mask.clone()
        mask[:, self.slot()] = False
        return mask


class _NeverMarks(Stepper):
    """The new token sees itself, and no later one sees it."""

    def mark(self) -> None:
        pass

    def positions(self) -> Tensor:
        padding = (~self.cache.mask[:, :3]).sum(dim=1)
        return self.cache.used - padding

    def visible(self) -> Tensor:
        mask = self.cache.mask.clone()
        mask[:, self.slot()] = True
        return mask


class _Overwrites(Stepper):
    def keep(self, layer: int, key: Tensor, value: Tensor) -> None:
        self.cache.keys[layer, :, :, self.slot() - 1] = key
        self.cache.values[layer, :, :, self.slot() - 1] = value


class _NotAdvanced(Stepper):
    def advance(self) -> None:
        pass


class _NoScale(Stepper):
    def scale(self, query: Tensor) -> float:
        return 1.0


class _ScaledByWidth(Stepper):
    def scale(self, query: Tensor) -> float:
        return float(query.flatten(1).shape[-1] ** -0.5)


class _LooksFirst(Stepper):
    """Attention before the token's own key is written."""

    def body(self) -> Tensor:
        hidden = self.model.embed(self.token, self.positions())
        self.mark()
        for layer in range(self.model.layers):
            query, key, value = self.model.project(layer, hidden)
            seen = self.attend(layer, query)
            self.keep(layer, key, value)
            hidden = self.model.finish(layer, hidden, seen)
        return hidden


class _Copies(Stepper):
    def __init__(self, model: FastGPT2, token: Tensor, cache: DecodeCache) -> None:
        parts = (cache.keys, cache.values, cache.mask, cache.used)
        super().__init__(model, token, DecodeCache(*(part.clone() for part in parts)))


class _KeysForValues(Stepper):
    def keep(self, layer: int, key: Tensor, value: Tensor) -> None:
        super().keep(layer, key, key)


class _OneLayerForAll(Stepper):
    def keep(self, layer: int, key: Tensor, value: Tensor) -> None:
        super().keep(0, key, value)


class _Fused(Stepper):
    """Another right way: the fused function, with a mask of numbers."""

    def attend(self, layer: int, query: Tensor) -> Tensor:
        bias = torch.zeros_like(self.cache.mask, dtype=query.dtype)
        bias = bias.masked_fill(~self.cache.mask, float("-inf"))
        return torch.nn.functional.scaled_dot_product_attention(
            query[:, :, None],
            self.cache.keys[layer],
            self.cache.values[layer],
            attn_mask=bias[:, None, None],
        )[:, :, 0]


def _case(
    name: str,
    seed: int,
    padding: list[int],
    message: str,
    width: int = 3,
    new: int = 3,
    slots: int = 8,
    rubbish: float = 0.0,
    hidden: bool = False,
) -> Case:
    inputs = {"seed": seed, "padding": padding, "width": width, "new": new, "slots": slots}
    return Case(
        name,
        {**inputs, "rubbish": rubbish},
        message,
        probe=probes.decoded,
        oracle=oracle,
        hidden=hidden,
    )


EXERCISE = ExerciseSpec(
    number="12.3",
    title="A step of one token",
    targets=("decode_step",),
    points=4,
    minutes=35,
    difficulty=4,
    section="Decoding with a cache of fixed size",
    statement="""
Chapter 9's cache grew with every token. A tensor that grows is a new tensor, at another address, and a GPU cannot
replay work on addresses that change. So here is a cache with room for everything from the start. That makes it fast,
and brings two questions that a growing cache never asked: which slots hold something, and at which position is a
token whose row began with padding? Write one step; it must give the logits that a full pass over the text would give.

For L blocks of width D with H heads, `cache.keys` and `cache.values` are (L, B, H, S, D/H), `cache.mask` is (B, S) and
`cache.used` a tensor (1,). The parts of the model: `embed(tokens, positions)`, `project(layer, hidden)`, which returns
query, key and value (B, H, D/H), `finish(layer, hidden, seen)`, where `seen` (B, H, D/H) is what attention brought
back, and `logits(hidden)`.
""",
    hints=(
        "Three numbers that are easily confused: how many slots are taken, how many tokens this row has, and "
        "how many slots "
        "there are. Slot, position and mask each need another one.",
        "Position: the sum of the row's mask before the new token is marked. Slot: cache.used, for all rows. "
        "Then mark the "
        "slot, and let attention look where the mask is True; mask (B, S) becomes (B, 1, 1, S).",
        "embed; mark; for each layer: project, write key and value into the slot with index_copy_, "
        "scaled_dot_product_attention of the query (B, H, 1, D/H), finish; advance; logits.",
    ),
    checks=(
        _case("no padding", 1, [0, 0], "three steps behind prompts of three tokens"),
        _case("padding in front", 2, [0, 2, 1], "prompts of 3, 1 and 2 tokens"),
        _case(
            "rubbish in empty slots",
            3,
            [1, 0],
            "slots that nothing was written to hold large numbers: nobody may look there",
            rubbish=30.0,
        ),
        _case("no room to spare", 4, [0, 1], "the last step fills the last slot", new=2, slots=5),
        Law(probes.rows_do_not_see_each_other, "a row alone, and among others"),
        Law(probes.room_that_is_left_does_not_matter, "the same text in caches of three sizes"),
        Law(probes.what_was_read_stays, "what the step writes, and what it leaves alone"),
        _case(
            "other padding",
            11,
            [1, 0, 2, 0],
            "prompts of 2, 3, 1 and 3 tokens",
            new=4,
            slots=9,
            hidden=True,
        ),
        _case(
            "other rubbish",
            12,
            [0, 2],
            "empty slots hold large numbers",
            slots=12,
            rubbish=-20.0,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "position one too late",
            steps(_PositionLate),
            "A row of three tokens has used positions 0, 1 and 2: the next one is 3. Sum the mask before you "
            "mark the new slot.",
        ),
        Mistake(
            "position one too early",
            steps(_PositionEarly),
            "A row of three tokens has used positions 0, 1 and 2: the next one is 3.",
        ),
        Mistake(
            "the slot taken for the position",
            steps(_PositionIsSlot),
            "Right without padding. A row that began with padding has fewer tokens than slots: count its mask.",
        ),
        Mistake(
            "cache not masked",
            steps(_NoMask),
            "Empty slots hold zeros, and softmax gives a zero key its share too. Use cache.mask.",
        ),
        Mistake(
            "padding is looked at",
            steps(_UsedSlots),
            "Not every slot up to the present one holds a token: padding stands in front. Use cache.mask.",
        ),
        Mistake(
            "the token does not see itself",
            steps(_NotItself),
            "A token looks at those before it and at itself. Mark its slot before attention.",
        ),
        Mistake(
            "slots never marked",
            steps(_NeverMarks),
            "Later tokens do not see the earlier new ones: cache.mask has to be updated in place.",
        ),
        Mistake(
            "the last token overwritten",
            steps(_Overwrites),
            "Slots are counted from 0: with three slots used the next one is slot 3.",
        ),
        Mistake(
            "used not advanced",
            steps(_NotAdvanced),
            "cache.used has to grow by one, in place, or every token lands in the same slot.",
        ),
        Mistake(
            "no scale",
            steps(_NoScale),
            "Scores are divided by the square root of the width of a head.",
        ),
        Mistake(
            "scaled by the whole width",
            steps(_ScaledByWidth),
            "The scale is that of one head: its width is D/H, not D.",
        ),
        Mistake(
            "attention before the key is written",
            steps(_LooksFirst),
            "The token's own slot was still empty when it looked. Write key and value first.",
        ),
        Mistake(
            "works on a copy",
            steps(_Copies),
            "The cache that was passed in is as before. A recorded step works on the same tensors each time: "
            "write in place.",
        ),
        Mistake(
            "keys for values",
            steps(_KeysForValues),
            "cache.values holds keys.",
        ),
        Mistake(
            "one layer for all",
            steps(_OneLayerForAll),
            "Each block has keys and values of its own: index the cache by layer.",
        ),
    ),
    variants={"by hand": steps(Stepper), "a mask of numbers": steps(_Fused)},
)
