"""The student's end: runs the student's code on request. Nothing here is relied on by the judge."""

import hashlib
import importlib
import random
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.sandbox import submission, tensors
from autograder.sandbox.codec import Coded, Decoder, Encoder
from autograder.sandbox.errors import plain_error
from autograder.sandbox.gradients import from_teacher, leaves_of
from autograder.sandbox.make_mirror import make_mirror
from autograder.sandbox.peer import Peer
from autograder.sandbox.stand_ins import make_stand_in
from autograder.sandbox.wire import Channel

_OURS = ("/autograder/sandbox/", "<frozen importlib")


class Guest(Peer):
    """Serves the requests of the trusted side in the student's process."""

    def __init__(self, channel: Channel, cells: Any, work: str) -> None:
        """Speak over this channel.

        Args:
            channel: leads to the judge.
            cells: runs notebook cells and keeps what is printed.
            work: folder for the submission's files.
        """
        super().__init__(channel)
        self.cells = cells
        self._work = work
        self.asked_for_gradients = False
        self._with_gradients: dict[int, Tensor] = {}
        self._last_handle = 0
        self._watched = False
        self._replaced: dict[tuple[str, str], Any] = {}

    def serve_forever(self) -> None:
        """Answer requests until the connection ends."""
        while True:
            _, head, blob = self.channel.receive()
            decoder = Decoder(self, blob)
            with self.cells.capturing():
                self._take_over(head, decoder)
                self._watched = "watch" in head
                self.answer(head, decoder)

    def footnotes(self) -> dict[str, Coded]:
        """Send along what was printed, and the state of the global generators where it was asked for."""
        notes = {"out": self.cells.take_output()}
        return {**notes, "rng": self._rng(None)} if self._watched else notes

    def describe_error(self, error: BaseException) -> list[str]:
        """Tell class, message and the student's own lines of the traceback."""
        name, message = type(error).__name__, _text_of(error)
        if isinstance(error, RuntimeError) and "can't allocate memory" in message:
            name = "MemoryError"
        frames = traceback.extract_tb(error.__traceback__)
        theirs = [frame for frame in frames if not any(path in frame.filename for path in _OURS)]
        return [name, message, "".join(traceback.format_list(theirs[-12:]))]

    def result(self, head: dict[str, Any], decoder: Decoder) -> Any:
        """Return what a function of the trusted side gave, or raise what it raised."""
        if "error" in head:
            raise plain_error(head["error"][0], head["error"][1])
        return decoder.decode(head["v"])

    def _take_over(self, head: dict[str, Any], decoder: Decoder) -> None:
        """Take over changes, and make the mirrors that others of this message depend on."""
        super()._take_over(head, decoder)
        for coded in head.get("first", ()):
            decoder.decode(coded)

    # Values.

    def encode_shared(self, value: Any, encoder: Encoder) -> Coded:
        """Encode a mirror by its number, anything else by value."""
        number = self.mirrors.find(value)
        if number is not None:
            return ["m", number]
        if type(value) is torch.Generator:
            return ["G", *encoder.attach(value.get_state().numpy().tobytes())]
        if isinstance(value, np.ndarray):
            name, shape, raw = tensors.describe_array(value)
            return ["A", name, shape, *encoder.attach(raw)]
        name, shape, raw = tensors.describe(value)
        way = self._way_back(value) if value.requires_grad else None
        return ["T", name, shape, *encoder.attach(raw), way]

    def _way_back(self, value: Tensor) -> Coded:
        """Keep a tensor for later gradients; return its number and the mirrors it depends on."""
        self._last_handle += 1
        self._with_gradients[self._last_handle] = value
        numbers = (self.mirrors.number_of_leaf(leaf) for leaf in leaves_of(value))
        return [self._last_handle, sorted({number for number in numbers if number is not None})]

    def encode_object(self, value: Any, encoder: Encoder) -> Coded:
        """Keep an object here and send its number; hand objects of the trusted side back."""
        number = self.objects.number_of(value)
        if number is not None:
            return ["h", number]
        return ["H", self.objects.lend(value), "object", type(value).__name__, None]

    def decode_special(self, coded: list[Any], decoder: Decoder) -> Any:
        """Decode mirrors and handles."""
        letter = coded[0]
        if letter == "m":
            return self.mirrors.get(coded[1])
        if letter == "M":
            return self._mirror(coded, decoder)
        if letter == "h":
            return self.objects.own(coded[1])
        _, number, kind, type_name, extra = coded
        extra = decoder.decode(extra)
        known = self.objects.facade(number)
        if known is not None:
            return known
        return self.objects.adopt(number, make_stand_in(self, number, kind, type_name, extra))

    def _mirror(self, coded: list[Any], decoder: Decoder) -> Any:
        _, number, kind, coded_content, (requires_grad, is_leaf), sources = coded
        content = decoder.content(coded_content)
        assert content is not None
        shared, leaf = make_mirror(kind, content, requires_grad, is_leaf)
        if leaf is not None and shared is not leaf:
            inputs = [self.mirrors.get(source) for source in sources[0]]
            inputs += [self._with_gradients[handle] for handle in sources[1]]
            shared = from_teacher(self, number, leaf, inputs)
        self.mirrors.borrow(number, shared, content, leaf)
        return shared

    # Requests.

    def serve(self, operation: Any, value: Any, decoder: Decoder) -> Any:
        """Do what the trusted side asks."""
        return _SERVES[operation](self, value)

    def _prepare(self, value: list[Any]) -> None:
        graded, files, earlier = value
        submission.prepare(self._work, graded, files, earlier)

    def _begin(self, seed: int) -> None:
        """Start a part: forget what was lent, seed the global generators."""
        self.mirrors.clear()
        self.objects.clear()
        self._with_gradients.clear()
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.default_generator.manual_seed(
            seed
        )  # torch.manual_seed looks for other devices as well

    def _rng(self, _: None) -> str:
        state = np.random.get_state(legacy=False)  # noqa: NPY002
        digest = hashlib.sha256(torch.get_rng_state().numpy().tobytes())
        digest.update(state["state"]["key"].tobytes())
        others = state["state"]["pos"], state["has_gauss"], state["gauss"], hash(random.getstate())
        digest.update(repr(others).encode())
        return digest.hexdigest()

    def _import(self, module: str) -> None:
        importlib.import_module(f"rlcourse.{module}")

    def _lookup(self, value: list[str]) -> Any:
        return getattr(importlib.import_module(f"rlcourse.{value[0]}"), value[1])

    def _public(self, module: str) -> list[str]:
        found = importlib.import_module(f"rlcourse.{module}")
        names = getattr(found, "__all__", None)
        return list(names or (name for name in vars(found) if not name.startswith("_")))

    def _replace(self, value: list[Any]) -> None:
        module, name, function = value
        home = importlib.import_module(f"rlcourse.{module}")
        self._replaced.setdefault((module, name), getattr(home, name))
        setattr(home, name, function)

    def _restore(self, value: list[str]) -> None:
        module, name = value
        home = importlib.import_module(f"rlcourse.{module}")
        setattr(home, name, self._replaced.pop((module, name)))

    def _call(self, value: list[Any]) -> Any:
        target, args, kwargs = value
        return target(*args, **kwargs)

    def _next(self, value: list[Any]) -> list[Any]:
        try:
            return [next(value[0])]
        except StopIteration:
            return []

    def _backward(self, value: list[Any]) -> list[Tensor | None]:
        handle, numbers, gradient = value
        output = self._with_gradients[handle]
        found_leaves = (self.mirrors.leaf(number) for number in numbers)
        leaves = [leaf for leaf in found_leaves if leaf is not None]
        self.asked_for_gradients = True
        try:
            found = torch.autograd.grad(
                output, leaves, gradient, retain_graph=True, allow_unused=True
            )
        finally:
            self.asked_for_gradients = False
        return list(found)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)[:4000]
    except Exception as worse:
        return f"(its text cannot be had: {type(worse).__name__})"


_SERVES: dict[Any, Callable[[Guest, Any], Any]] = {
    "prepare": Guest._prepare,
    "begin": Guest._begin,
    "rng": Guest._rng,
    "import": Guest._import,
    "lookup": Guest._lookup,
    "public": Guest._public,
    "replace": Guest._replace,
    "restore": Guest._restore,
    "call": Guest._call,
    "get": lambda guest, value: getattr(value[0], value[1]),
    "set": lambda guest, value: setattr(value[0], value[1], value[2]),
    "len": lambda guest, value: len(value[0]),
    "item": lambda guest, value: value[0][value[1]],
    "iter": lambda guest, value: iter(value[0]),
    "next": Guest._next,
    "backward": Guest._backward,
    "cell": lambda guest, value: guest.cells.run(value),
    "global": lambda guest, value: guest.cells.name(value),
}
