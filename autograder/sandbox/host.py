"""The trusted end: lends tensors and objects to the student's process and judges what comes back."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.sandbox import exports, modules, tensors
from autograder.sandbox.codec import Coded, Decoder, Encoder
from autograder.sandbox.errors import StudentStopped, student_error
from autograder.sandbox.gradients import FromStudent
from autograder.sandbox.lineage import Lineage
from autograder.sandbox.peer import Peer
from autograder.sandbox.proxy import RemoteObject
from autograder.sandbox.services import SERVES
from autograder.sandbox.wire import Channel, PeerClosed, WireError

_MESSAGE = 4000
_TRACE = 8000
_DIGEST = 64


class Host(Peer):
    """Speaks to one student's process. Everything that it reads is checked."""

    def __init__(
        self,
        channel: Channel,
        hear: Callable[[str], None],
        give_up: Callable[[Exception], StudentStopped],
    ) -> None:
        """Speak over this channel.

        Args:
            channel: leads to the student's process.
            hear: gets the text that the student's code prints.
            give_up: called when the connection is of no more use; returns what to raise.
        """
        super().__init__(channel)
        self._hear = hear
        self._give_up = give_up
        self._writable: set[int] = set()
        self._rng: str | None = None
        self._watch = False
        self.lineage = Lineage(self.mirrors.find)
        self._active = 0

    def global_rng_state(self) -> str:
        """Return a digest of the global generators there; ask only if their code has run since."""
        if self._rng is None:
            told = self.request("rng")
            self._rng = told[:_DIGEST] if isinstance(told, str) else ""
        self._watch = True
        return self._rng

    def request(self, operation: str, value: Any = None, notes: Any = None) -> Any:
        """Ask the student's process; only what is lent in this call may be changed in place by it."""
        if self._active == 0:
            self._writable.clear()
            if self._watch and operation == "call":
                notes, self._watch = {"watch": True}, False
        self._active += 1
        try:
            return super().request(operation, value, notes)
        except (WireError, PeerClosed, MemoryError) as error:
            raise self._give_up(error) from None
        finally:
            self._active -= 1

    def forget(self) -> None:
        """Begin anew: nothing is lent any more."""
        self.mirrors.clear()
        self.objects.clear()
        self.lineage.clear()

    def accept(self, number: int, content: Any) -> None:
        """Take over a change in place, of what the present call lent."""
        if number in self._writable:
            super().accept(number, content)

    def result(self, head: dict[str, Any], decoder: Decoder) -> Any:
        """Return the student's value, or raise what the student's code raised."""
        rng = head.get("rng")
        self._rng = rng[:_DIGEST] if isinstance(rng, str) else None
        printed = head.get("out")
        if isinstance(printed, str) and printed:
            self._hear(printed.encode("utf-8", "replace").decode("utf-8"))
        if "error" not in head:
            return decoder.decode(head.get("v"))
        error = head["error"]
        if not isinstance(error, list) or len(error) != 3:
            raise WireError("no error")
        name, message, trace = (decoder.decode(str(text)) for text in error)
        raise student_error(name[:80], message[:_MESSAGE], trace[-_TRACE:])

    def describe_error(self, error: BaseException) -> list[str]:
        """Tell the student's code what our function raised; the end of the process ends this too."""
        if isinstance(error, StudentStopped) or not isinstance(error, Exception):
            raise error
        return [type(error).__name__, str(error)[:_MESSAGE], ""]

    def encode_shared(self, value: Any, encoder: Encoder) -> Coded:
        """Lend a tensor, an array or a generator."""
        is_tensor = isinstance(value, Tensor)
        number = self.mirrors.find(value)
        flags = [value.requires_grad, value.is_leaf] if is_tensor else [False, True]
        if number is not None and self._flags.get(number) == flags:
            self._writable.add(number)
            return ["m", number]
        number, content = self.mirrors.lend(value)
        self._flags[number] = flags
        self._writable.add(number)
        coded = ["M", number, _KINDS.get(type(value), "T"), encoder.content(content), flags, None]
        if flags[0]:
            self.lineage.lend(number, value, coded)
        return coded

    def _body(self, value: Any, encoder: Encoder) -> dict[str, Coded]:
        """Encode a value, what has changed, and first of all what its tensors were computed from."""
        self.lineage.begin_message()
        body = super()._body(value, encoder)
        first = self.lineage.settle()
        return {**body, "first": first} if first else body

    @functools.cached_property
    def _flags(self) -> dict[int, list[bool]]:
        return {}

    def encode_object(self, value: Any, encoder: Encoder) -> Coded:
        """Lend an object by handle; hand the student's own objects back."""
        number = self.objects.number_of(value)
        if number is not None:
            return ["h", number]
        kind = exports.kind_of(value)
        extra: Any = None
        if kind == "module":
            extra = modules.tree_of(value)
        elif kind == "optimizer":
            extra = modules.plain_groups(value)
        elif kind == "object":
            extra = exports.describe(value)
        return ["H", self.objects.lend(value), kind, type(value).__name__, encoder.encode(extra)]

    def decode_special(self, coded: list[Any], decoder: Decoder) -> Any:
        """Decode what the student's process sent."""
        letter = coded[0]
        if letter == "T":
            return self._tensor(coded, decoder)
        if letter == "m":
            return self.mirrors.get(coded[1])
        if letter == "G":
            state = tensors.generator_state(decoder.bytes(coded[1], coded[2]))
            return torch.Generator().set_state(state)
        if letter == "h":
            return self.objects.own(coded[1])
        if letter == "H":
            return self._remote(coded, decoder)
        raise WireError("an unknown kind of value")

    def _remote(self, coded: list[Any], decoder: Decoder) -> RemoteObject:
        number, name = coded[1], decoder.decode(coded[3])
        if type(number) is not int or not isinstance(name, str):
            raise WireError("no object")
        known: RemoteObject | None = self.objects.facade(number)
        if known is None:
            known = RemoteObject(self, number, name[:80])
            self.objects.adopt(number, known)
        return known

    def _tensor(self, coded: list[Any], decoder: Decoder) -> Tensor:
        _, name, shape, start, size, way = coded
        value = tensors.rebuild(name, shape, decoder.bytes(start, size))
        if way is None or not torch.is_grad_enabled():
            return value
        handle, numbers = way
        if not value.is_floating_point() and not value.is_complex():
            raise WireError("a gradient through whole numbers")
        lent = [self.mirrors.get(number) for number in numbers]
        if not all(isinstance(x, Tensor) and x.requires_grad for x in lent):
            raise WireError("a gradient to what has none")
        anchor = torch.zeros((), requires_grad=True)
        made: Tensor = FromStudent.apply(  # type: ignore[no-untyped-call]
            self, int(handle), list(numbers), value, anchor, *lent
        )
        self.lineage.received(made, int(handle))
        return made

    def serve(self, operation: Any, value: Any, decoder: Decoder) -> Any:
        """Do what the student's code asks of an object that was lent to it."""
        serve = SERVES.get(operation) if isinstance(operation, str) else None
        if serve is None or not isinstance(value, list) or self._active == 0:
            raise WireError("an unknown request")
        try:
            return serve(self, *value)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                raise WireError("a request with the wrong number of arguments") from None
            raise


_KINDS: dict[type, str] = {torch.nn.Parameter: "P", torch.Generator: "G", np.ndarray: "A"}
