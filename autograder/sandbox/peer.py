"""One end of the conversation between judge and judged: requests, replies, and requests within requests."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from autograder.sandbox.codec import Coded, Decoder, Encoder
from autograder.sandbox.mirrors import Mirrors
from autograder.sandbox.wire import REPLY, REQUEST, Channel, WireError

MAX_NESTING = 30
"""How deep calls may call back."""


def gradients(enabled: bool) -> AbstractContextManager[Any]:
    """Build graphs or not while the context lasts; free of cost where nothing changes."""
    same = torch.is_grad_enabled() is enabled
    return nullcontext() if same else torch.set_grad_enabled(enabled)


class Objects:
    """Objects that stay in their process and are used by number from the other one."""

    def __init__(self) -> None:
        """Start with none."""
        self._own: dict[int, Any] = {}
        self._own_number: dict[int, int] = {}
        self._facades: dict[int, Any] = {}
        self._facade_number: dict[int, int] = {}
        self._next = 1

    def lend(self, value: Any) -> int:
        """Return the number of an object of this side; it is kept alive."""
        number = self._own_number.get(id(value))
        if number is None:
            number, self._next = self._next, self._next + 1
            self._own[number] = value
            self._own_number[id(value)] = number
        return number

    def own(self, number: Any) -> Any:
        """Return this side's object of that number.

        Raises:
            WireError: if there is none.
        """
        if type(number) is not int or number not in self._own:
            raise WireError(f"no object {str(number)[:20]}")
        return self._own[number]

    def is_lent(self, value: Any) -> bool:
        """Whether this very object was lent."""
        number = self._own_number.get(id(value))
        return number is not None and self._own[number] is value

    def adopt(self, number: int, facade: Any) -> Any:
        """Keep what stands for an object of the other side."""
        self._facades[number] = facade
        self._facade_number[id(facade)] = number
        return facade

    def facade(self, number: Any) -> Any:
        """Return what stands for the other side's object, or None."""
        return self._facades.get(number)

    def number_of(self, facade: Any) -> int | None:
        """Return the other side's number of what this stands for, or None."""
        return self._facade_number.get(id(facade))

    def clear(self) -> None:
        """Forget everything."""
        for table in (self._own, self._own_number, self._facades, self._facade_number):
            table.clear()


class Peer:
    """One end. The two sides fill in what may be asked of them and how errors are told."""

    def __init__(self, channel: Channel) -> None:
        """Speak over this channel."""
        self.channel = channel
        self.mirrors = Mirrors()
        self.objects = Objects()
        self.nesting = 0

    def request(self, operation: str, value: Any = None, notes: Any = None) -> Any:
        """Ask the other side for something and wait; answer what it asks meanwhile.

        Args:
            operation: name of what is asked.
            value: its argument.
            notes: what else goes into the message, by name.
        """
        encoder = Encoder(self)
        head = {"op": operation, "grad": torch.is_grad_enabled(), **self._body(value, encoder)}
        self.channel.send(REQUEST, {**head, **(notes or {})}, encoder.blob)
        while True:
            kind, head, blob = self.channel.receive()
            decoder = Decoder(self, blob)
            self._take_over(head, decoder)
            if kind == REPLY:
                return self.result(head, decoder)
            self.answer(head, decoder)

    def answer(self, head: dict[str, Any], decoder: Decoder) -> None:
        """Do what the other side asks and send the reply."""
        self.nesting += 1
        encoder = Encoder(self)
        try:
            if self.nesting > MAX_NESTING:
                raise RecursionError("calls call back too deeply")
            with gradients(head.get("grad") is True):
                value = self.serve(head.get("op"), decoder.decode(head.get("v")), decoder)
                body = self._body(value, encoder)
        except WireError:
            raise
        except BaseException as error:
            encoder = Encoder(self)
            body = {"error": self.describe_error(error), **self._body(None, encoder)}
        finally:
            self.nesting -= 1
        self.channel.send(REPLY, {**body, **self.footnotes()}, encoder.blob)

    def _body(self, value: Any, encoder: Encoder) -> dict[str, Coded]:
        """Encode a value and everything shared that has changed."""
        coded = encoder.encode(value)
        sync = [[number, encoder.content(now)] for number, now in self.mirrors.changes()]
        return {"v": coded, "sync": sync, "drop": self.mirrors.dropped()}

    def _take_over(self, head: dict[str, Any], decoder: Decoder) -> None:
        """Take over the other side's changes of what is shared."""
        self.mirrors.heard()
        dropped, changes = head.get("drop"), head.get("sync")
        if type(dropped) is not list or type(changes) is not list:
            raise WireError("no message")
        self.mirrors.drop([number for number in dropped if type(number) is int])
        for change in changes:
            if type(change) is not list or len(change) != 2 or type(change[0]) is not int:
                raise WireError("no change of a shared object")
            content = decoder.content(change[1])
            if content is None:
                raise WireError("no change of a shared object")
            self.accept(change[0], content)

    # What each side fills in.

    def accept(self, number: int, content: Any) -> None:
        """Take over one change."""
        self.mirrors.accept(number, content)

    def result(self, head: dict[str, Any], decoder: Decoder) -> Any:
        """Turn a reply into a value or an exception."""
        raise NotImplementedError

    def serve(self, operation: Any, value: Any, decoder: Decoder) -> Any:
        """Do what was asked."""
        raise NotImplementedError

    def describe_error(self, error: BaseException) -> list[str]:
        """Return class name, message and traceback of an exception; or let it through by raising."""
        raise NotImplementedError

    def footnotes(self) -> dict[str, Coded]:
        """Return what else goes into a reply."""
        return {}

    def encode_shared(self, value: Any, encoder: Encoder) -> Coded:
        """Encode a tensor, an array or a generator."""
        raise NotImplementedError

    def encode_object(self, value: Any, encoder: Encoder) -> Coded:
        """Encode an object that stays where it is."""
        raise NotImplementedError

    def decode_special(self, coded: list[Any], decoder: Decoder) -> Any:
        """Decode tensors, shared objects and handles."""
        raise NotImplementedError
