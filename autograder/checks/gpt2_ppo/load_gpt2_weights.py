"""Exercise 12.1: weights of a GPT-2 file into a fast model."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import gpt2_ppo as probes
from rlcourse.support.fast_gpt2 import FastGPT2
from rlcourse.support.gpt2 import GPT2
from rlcourse.support.gpt2_weights import load_weights

LINEAR = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def oracle(seed: int, prefix: str, extras: bool, single: bool = False) -> dict[str, Tensor]:
    """The plain model, which keeps its weights as the file does."""
    model = GPT2(probes.SMALL).to(torch.float32 if single else torch.float64)
    load_weights(model, probes.file_of(seed, prefix, extras))
    tokens = probes.whole_numbers(seed, 11, 2, 7)
    with torch.no_grad():
        before = model(tokens)
        model.transformer.wte.weight.add_(0.5 * probes.numbers(seed + 99, 11, 8))
        after = model(tokens)
    return {"logits": before, "logits after the embeddings moved": after}


class Loader:
    """Loading as the exercise asks. A mistake overrides the one thing in which it differs."""

    def __init__(self, model: FastGPT2, file: Mapping[str, Tensor]) -> None:
        self.model, self.file = model, file

    def load(self) -> None:
        for name, parameter in self.model.named_parameters():
            if name != "lm_head":
                self.give(name, parameter)
        self.settle()

    def give(self, name: str, parameter: Tensor) -> None:
        found = self.find(name)
        if found is None:
            raise ValueError(f"{name} is missing")
        self.write(parameter, self.turn(name, found, parameter))

    def find(self, name: str) -> Tensor | None:
        return self.file.get(name, self.file.get(f"transformer.{name}"))

    def turn(self, name: str, x: Tensor, parameter: Tensor) -> Tensor:
        return x.T if name.endswith(LINEAR) else x

    def write(self, parameter: Tensor, x: Tensor) -> None:
        if x.shape != parameter.shape:
            raise ValueError(f"{tuple(x.shape)} does not fit")
        with torch.no_grad():
            parameter.copy_(x)

    def settle(self) -> None:
        self.model.tie_head()
        self.model.use_gelu("tanh")


def loads(kind: type[Loader]) -> Callable[[FastGPT2, Mapping[str, Tensor]], None]:
    """The function that a way of loading makes."""

    def load_gpt2_weights(model: FastGPT2, state_dict: Mapping[str, Tensor]) -> None:
        kind(model, state_dict).load()

    return load_gpt2_weights


class _Reshaped(Loader):
    def turn(self, name: str, x: Tensor, parameter: Tensor) -> Tensor:
        same = x.numel() == parameter.numel()
        return x.reshape(parameter.shape) if same else x


class _WhereShapesDisagree(Loader):
    def turn(self, name: str, x: Tensor, parameter: Tensor) -> Tensor:
        return x.T if x.shape != parameter.shape and x.dim() == 2 else x


class _AttentionAlone(Loader):
    """The two layers of the small network are read as they lie in memory."""

    def turn(self, name: str, x: Tensor, parameter: Tensor) -> Tensor:
        if "mlp" in name and x.numel() == parameter.numel():
            return x.reshape(parameter.shape)
        return super().turn(name, x, parameter)


class _ExactGelu(Loader):
    def settle(self) -> None:
        self.model.tie_head()


class _RandomHead(Loader):
    def settle(self) -> None:
        self.model.use_gelu("tanh")


class _CopiedHead(Loader):
    def settle(self) -> None:
        self.model.use_gelu("tanh")
        table = self.find("wte.weight")
        for name, parameter in self.model.named_parameters():
            if name == "lm_head" and table is not None:
                self.write(parameter, table)


class _SkipsMissing(Loader):
    def give(self, name: str, parameter: Tensor) -> None:
        if self.find(name) is not None:
            super().give(name, parameter)


class _Broadcasts(Loader):
    def write(self, parameter: Tensor, x: Tensor) -> None:
        with torch.no_grad():
            parameter.copy_(x)


class _PrefixOnly(Loader):
    def find(self, name: str) -> Tensor | None:
        return self.file.get(f"transformer.{name}")


class _NoPrefix(Loader):
    def find(self, name: str) -> Tensor | None:
        return self.file.get(name)


class _NoNorms(Loader):
    """Only what belongs to linear layers and embeddings is read."""

    def give(self, name: str, parameter: Tensor) -> None:
        if "ln_" not in name:
            super().give(name, parameter)


class _NoBiases(Loader):
    def give(self, name: str, parameter: Tensor) -> None:
        if not name.endswith("bias"):
            super().give(name, parameter)


class _SettlesFirst(Loader):
    """Another right way: settings first, and numbers through ``data``."""

    def load(self) -> None:
        self.settle()
        super().load()

    def settle(self) -> None:
        if not self.model.tied:
            super().settle()

    def write(self, parameter: Tensor, x: Tensor) -> None:
        if x.shape != parameter.shape:
            raise ValueError("another shape")
        parameter.data[...] = x.to(parameter.dtype)


def _case(
    name: str,
    seed: int,
    message: str,
    prefix: str = "",
    extras: bool = False,
    single: bool = False,
    hidden: bool = False,
) -> Case:
    return Case(
        name,
        {"seed": seed, "prefix": prefix, "extras": extras, "single": single},
        message,
        probe=probes.loaded,
        oracle=oracle,
        hidden=hidden,
    )


def _bad(
    name: str, weight: str, shape: list[int], message: str, seed: int, hidden: bool = False
) -> Case:
    return Case(
        name,
        {"seed": seed, "name": weight, "shape": shape},
        message,
        probe=probes.damaged,
        raises=ValueError,
        hidden=hidden,
    )


EXERCISE = ExerciseSpec(
    number="12.1",
    title="A real GPT-2 into a fast model",
    targets=("load_gpt2_weights",),
    points=3,
    minutes=25,
    difficulty=3,
    section="Weights from a file",
    statement="""
The finale trains a `FastGPT2`: `nn.Linear` layers, and a cache of fixed size. GPT-2 files were written for another
kind of layer, whose weights lie the other way round. Copy every weight to where it belongs, turned where it must be,
and set the two things that a file does not say: which GELU, and that the head is the table of the embeddings. Equal
logits are the proof; nearly equal ones are the sign of the wrong GELU.
""",
    hints=(
        "Which layers were Conv1D? Go by name, not by shape: one of them is square, and then the shape tells nothing.",
        "Strip `transformer.` from the names in the file. For `c_attn`, `c_proj` and `c_fc` the weight has to "
        "be transposed; "
        "embeddings, norms and biases stay as they are.",
        "tie_head, use_gelu; for each named parameter but lm_head: find it or raise, transpose if it is one of "
        "the three, "
        "compare shapes or raise, copy the numbers in place.",
    ),
    checks=(
        _case("names without a prefix", 1, "the file of the hub's `gpt2`"),
        _case(
            "names with a prefix",
            2,
            "names begin with `transformer.`, and there are masks and a head",
            prefix="transformer.",
            extras=True,
        ),
        _case("single precision", 3, "a file in float64, a model in float32", single=True),
        _bad("a weight is missing", "h.1.ln_2.bias", [], "the file lacks a bias", 4),
        _bad(
            "a weight of another shape",
            "ln_f.weight",
            [1],
            "one number where the model wants eight",
            5,
        ),
        _bad(
            "a model of another size",
            "wpe.weight",
            [12, 8],
            "a table of twelve positions where the model has sixteen",
            6,
        ),
        Law(probes.the_file_is_left_alone, "the tensors of the file stay as they are"),
        _case(
            "another file",
            11,
            "names with a prefix",
            prefix="transformer.",
            extras=False,
            hidden=True,
        ),
        _case(
            "another file, no prefix", 12, "masks and a head are there", extras=True, hidden=True
        ),
        _bad("another weight is missing", "h.0.mlp.c_fc.bias", [], "a bias", 13, hidden=True),
        _bad(
            "another weight of another shape",
            "h.0.attn.c_proj.bias",
            [1],
            "one number where the model wants eight",
            14,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "Conv1D not transposed",
            loads(_Reshaped),
            "The numbers of c_attn, c_proj and c_fc were only given another shape. (in, out) to (out, in) is a "
            "transpose: .T",
        ),
        Mistake(
            "transposed only where the shapes disagree",
            loads(_WhereShapesDisagree),
            "attn.c_proj is square: its shape cannot tell you which way it lies. Decide by the name.",
        ),
        Mistake(
            "the small network not transposed",
            loads(_AttentionAlone),
            "The layers of the mlp, c_fc and c_proj, are stored as (in, out) too.",
        ),
        Mistake(
            "exact GELU",
            loads(_ExactGelu),
            'The logits are close, not equal: GPT-2 was trained with the tanh approximation. model.use_gelu("tanh").',
        ),
        Mistake(
            "the head is still random",
            loads(_RandomHead),
            "GPT-2's files hold no head: it is the table of the embeddings. model.tie_head().",
        ),
        Mistake(
            "head not tied",
            loads(_CopiedHead),
            "The head is a copy of the embeddings: equal now, but the first update moves one without the other. "
            "Tie them.",
        ),
        Mistake(
            "missing weights skipped",
            loads(_SkipsMissing),
            "A weight that the file lacks stays random, and nobody is told. Raise a ValueError.",
        ),
        Mistake(
            "shapes not compared",
            loads(_Broadcasts),
            "copy_ stretches a single number over a whole tensor without a word. Compare the shapes first.",
        ),
        Mistake(
            "only names with a prefix",
            loads(_PrefixOnly),
            "Some files say `transformer.wte.weight`, others `wte.weight`. removeprefix serves both.",
        ),
        Mistake(
            "only names without a prefix",
            loads(_NoPrefix),
            "Some files say `transformer.wte.weight`, others `wte.weight`. removeprefix serves both.",
        ),
        Mistake(
            "norms left out",
            loads(_NoNorms),
            "The norms (ln_1, ln_2, ln_f) have weights and biases of their own in the file.",
        ),
        Mistake(
            "biases left out",
            loads(_NoBiases),
            "The biases of the model are still those of a fresh one.",
        ),
    ),
    variants={"by name": loads(Loader), "settings first": loads(_SettlesFirst)},
)
