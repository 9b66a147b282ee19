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
from autograder.sandbox.peer import Peer
from autograder.sandbox.proxy import RemoteObject
from autograder.sandbox.wire import Channel, PeerClosed, WireError

_MESSAGE = 4000
_TRACE = 8000


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
        self._pulls: dict[int, tuple[Tensor, list[Tensor]]] = {}
        self._active = 0

    def request(self, operation: str, value: Any = None) -> Any:
        """Ask the student's process; only what is lent in this call may be changed in place by it."""
        if self._active == 0:
            self._writable.clear()
        self._active += 1
        try:
            return super().request(operation, value)
        except (WireError, PeerClosed) as error:
            raise self._give_up(error) from None
        finally:
            self._active -= 1

    def forget(self) -> None:
        """Begin anew: nothing is lent any more."""
        self.mirrors.clear()
        self.objects.clear()
        self._pulls.clear()

    def accept(self, number: int, content: Any) -> None:
        """Take over a change in place, of what the present call lent."""
        if number in self._writable:
            super().accept(number, content)

    def result(self, head: dict[str, Any], decoder: Decoder, encoder: Encoder) -> Any:
        """Return the student's value, or raise what the student's code raised."""
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
        if is_tensor and value.requires_grad and torch.is_grad_enabled():
            encoder.differentiable.append(value)
        number = self.mirrors.find(value)
        flags = [value.requires_grad, value.is_leaf] if is_tensor else [False, True]
        if number is not None and self._flags.get(number) == flags:
            self._writable.add(number)
            return ["m", number]
        number, content = self.mirrors.lend(value)
        self._flags[number] = flags
        self._writable.add(number)
        return ["M", number, _KINDS.get(type(value), "T"), encoder.content(content), flags]

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
            shared = self.mirrors.get(coded[1])
            if isinstance(shared, Tensor) and shared.requires_grad and torch.is_grad_enabled():
                decoder.differentiable.append(shared)
            return shared
        if letter == "G":
            state = torch.frombuffer(
                bytearray(decoder.bytes(coded[1], coded[2])), dtype=torch.uint8
            )
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
        known = self.objects.facade(number)
        if known is None:
            known = self.objects.adopt(number, RemoteObject(self, number, name[:80]))
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
        made: Tensor = FromStudent.apply(self, int(handle), list(numbers), value, anchor, *lent)
        decoder.differentiable.append(made)
        return made

    def replied(self, decoder: Decoder, encoder: Encoder) -> None:
        """Note which of the student's tensors our result depends on, for gradients asked from there."""
        for tensor in encoder.differentiable:
            number = self.mirrors.find(tensor)
            if number is not None:
                self._pulls[number] = (tensor, list(decoder.differentiable))

    def serve(self, operation: Any, value: Any, decoder: Decoder) -> Any:
        """Do what the student's code asks of an object that was lent to it."""
        serve = _SERVES.get(operation) if isinstance(operation, str) else None
        if serve is None or not isinstance(value, list) or self._active == 0:
            raise WireError("an unknown request")
        try:
            return serve(self, *value)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                raise WireError("a request with the wrong number of arguments") from None
            raise

    def _call(self, target: Any, args: Any, kwargs: Any) -> Any:
        if isinstance(target, RemoteObject) or not exports.may_call(target):
            raise WireError("this object cannot be called")
        return target(*args, **kwargs)

    def _method(self, number: Any, name: Any, args: Any, kwargs: Any) -> Any:
        return self._allowed(number, name)(*args, **kwargs)

    def _get(self, number: Any, name: Any) -> Any:
        return self._allowed(number, name)

    def _allowed(self, number: Any, name: Any) -> Any:
        target = self.objects.own(number)
        if name not in exports.allowed_names(target):
            raise AttributeError(f"{str(name)[:80]} is not available while grading")
        return getattr(target, name)

    def _module(
        self, number: Any, path: Any, name: Any, state: Any, flags: Any, args: Any, kwargs: Any
    ) -> Any:
        module = modules.part_of(self.objects.own(number), path)
        if name != "__call__" and self._attribute(number, path, name)[0] != "method":
            raise WireError("no such method")
        if not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
            raise WireError("no state of a module")
        for part, flag in zip(module.modules(), flags, strict=False):
            part.training = flag is True
        return modules.run(module, name, state, args, kwargs)

    def _attribute(self, number: Any, path: Any, name: Any) -> tuple[str, Any]:
        module = modules.part_of(self.objects.own(number), path)
        if name not in exports.allowed_names(module):
            raise AttributeError(f"{type(module).__name__} has no attribute {str(name)[:80]!r}")
        value = getattr(module, name)
        return ("method", None) if callable(value) else ("value", value)

    def _train(self, number: Any, path: Any, mode: Any) -> None:
        modules.part_of(self.objects.own(number), path).train(mode is True)

    def _optimizer(self, number: Any) -> torch.optim.Optimizer:
        found = self.objects.own(number)
        if not isinstance(found, torch.optim.Optimizer):
            raise WireError("no optimizer")
        return found

    def _step(self, number: Any, settings: Any) -> None:
        optimizer = self._optimizer(number)
        modules.set_groups(optimizer, settings)
        optimizer.step()

    def _zero_grad(self, number: Any, set_to_none: Any) -> None:
        self._optimizer(number).zero_grad(set_to_none=set_to_none is True)

    def _pull(self, number: Any, gradient: Any) -> list[Tensor | None]:
        if number not in self._pulls or not isinstance(gradient, Tensor):
            raise WireError("no gradient to give")
        output, inputs = self._pulls[number]
        if gradient.shape != output.shape:
            raise WireError("a gradient of another shape")
        found = torch.autograd.grad(output, inputs, gradient, retain_graph=True, allow_unused=True)
        return [None if g is None else g.detach() for g in found]


_KINDS: dict[type, str] = {torch.nn.Parameter: "P", torch.Generator: "G", np.ndarray: "A"}
_SERVES: dict[str, Callable[..., Any]] = {
    "call": Host._call,
    "method": Host._method,
    "get": Host._get,
    "module": Host._module,
    "attribute": Host._attribute,
    "train": Host._train,
    "step": Host._step,
    "zero_grad": Host._zero_grad,
    "pull": Host._pull,
}
