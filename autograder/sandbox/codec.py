"""Values as JSON and raw bytes, by exact type, and back.

Scalars that JSON holds exactly stay themselves; everything else is a list that begins with a letter:

===== ==================================== ===== ====================================
i f   int, float (hexadecimal, exact)      T     tensor by value, with its way back for gradients
b     bytes                                A a   array, array scalar
l t z list, tuple, torch.Size              M m   shared object (`mirrors`): first time, again
s S d set, frozenset, dict                 R     record (`records`)
D V   dtype, device                        H h   the sender's object, the receiver's object (by handle)
===== ==================================== ===== ====================================
"""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from autograder.sandbox import tensors
from autograder.sandbox.mirrors import Content
from autograder.sandbox.records import put_together, take_apart
from autograder.sandbox.wire import WireError

MAX_DEPTH = 40
MAX_NODES = 300_000
MAX_ENTRIES = 20_000
"""Keys of one dict or set: hashing is where crafted keys could cost time."""
_SAFE_INT = 1 << 53
_MAX_INT_DIGITS = 4096
Coded = Any
"""What ``json.dumps`` takes."""


class Side(Protocol):
    """What the codec asks of the side it works for."""

    def encode_shared(self, value: Any, encoder: "Encoder") -> Coded:
        """Encode a tensor, an array or a generator."""

    def encode_object(self, value: Any, encoder: "Encoder") -> Coded:
        """Encode an object that stays where it is."""

    def decode_special(self, coded: list[Any], decoder: "Decoder") -> Any:
        """Decode T, M, m, H and h."""


class Encoder:
    """Encodes the values of one message."""

    def __init__(self, side: Side) -> None:
        """Start a message of this side."""
        self._side = side
        self.blob = bytearray()

    def encode(self, value: Any, depth: int = 0) -> Coded:
        """Encode one value.

        Raises:
            ValueError: if it is nested too deeply.
            TypeError: for tensors and arrays that have no plain bytes.
        """
        if depth > MAX_DEPTH:
            raise ValueError("this value is nested too deeply (or holds itself)")
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind is int:
            return value if -_SAFE_INT < value < _SAFE_INT else ["i", hex(value)]
        if kind is float:
            return ["f", value.hex()]
        if kind is bytes:
            return ["b", *self.attach(value)]
        if kind in _LETTER:
            return [_LETTER[kind], [self.encode(item, depth + 1) for item in value]]
        if kind is dict:
            pairs = (
                [self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in value.items()
            )
            return ["d", list(pairs)]
        return self._encode_rest(value, depth)

    def _encode_rest(self, value: Any, depth: int) -> Coded:
        kind = type(value)
        if kind in (Tensor, torch.nn.Parameter, np.ndarray, torch.Generator):
            return self._side.encode_shared(value, self)
        if kind is torch.dtype:
            return ["D", str(value).removeprefix("torch.")]
        if kind is torch.device:
            return ["V", value.type]
        if isinstance(value, np.generic) and value.dtype.kind in "biufc":
            name, shape, raw = tensors.describe_array(np.asarray(value))
            return ["a", name, shape, *self.attach(raw)]
        record = take_apart(value)
        if record is not None:
            return ["R", record[0], [self.encode(item, depth + 1) for item in record[1]]]
        return self._side.encode_object(value, self)

    def attach(self, raw: bytes) -> tuple[int, int]:
        """Append raw bytes to the message; return where they are and how many."""
        self.blob += raw
        return len(self.blob) - len(raw), len(raw)

    def content(self, content: Content | None) -> Coded:
        """Encode the value of a shared object."""
        if content is None:
            return None
        place = self.attach(content.raw)
        return [content.dtype, content.shape, *place, self.content(content.grad)]


class Decoder:
    """Decodes the values of one message. Every number in it is checked before it is used."""

    def __init__(self, side: Side, blob: bytearray) -> None:
        """Start on a message that arrived at this side."""
        self._side = side
        self._blob = blob
        self._nodes = 0

    def decode(self, coded: Coded, depth: int = 0) -> Any:
        """Decode one value.

        Raises:
            WireError: if it is no encoded value.
        """
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise WireError("a value nested too deeply, or of too many items")
        if coded is None or type(coded) in (bool, int):
            return coded
        if type(coded) is str:
            return coded.encode("utf-8", "replace").decode("utf-8")  # no lone surrogates
        if type(coded) is not list or not coded or type(coded[0]) is not str:
            raise WireError("not an encoded value")
        try:
            return self._decode_list(coded, depth)
        except (ValueError, TypeError, IndexError, KeyError, OverflowError, RuntimeError) as error:
            raise WireError(f"not an encoded value: {type(error).__name__}") from None

    def _decode_list(self, coded: list[Any], depth: int) -> Any:
        letter = coded[0]
        if letter in _MAKE:
            items = [self.decode(item, depth + 1) for item in _list(coded[1])]
            if letter in "sS" and len(items) > MAX_ENTRIES:
                raise WireError("a set of too many items")
            return _MAKE[letter](items)
        if letter == "d":
            return self._dict(_list(coded[1]), depth)
        if letter == "i":
            return int(_text(coded[1])[:_MAX_INT_DIGITS], 16)
        if letter == "f":
            return float.fromhex(_text(coded[1])[:64])
        if letter == "b":
            return self.bytes(coded[1], coded[2])
        if letter == "R":
            fields = [self.decode(item, depth + 1) for item in _list(coded[2])]
            return put_together(coded[1], fields)
        if letter in ("D", "V"):
            name = _text(coded[1])
            return tensors.DTYPES[name] if letter == "D" else torch.device(name[:20])
        if letter in ("A", "a"):
            array = tensors.rebuild_array(coded[1], coded[2], self.bytes(coded[3], coded[4]))
            return array if letter == "A" else array[()]
        return self._side.decode_special(coded, self)

    def _dict(self, pairs: list[Any], depth: int) -> dict[Any, Any]:
        if len(pairs) > MAX_ENTRIES:
            raise WireError("a dict of too many items")
        made = {}
        for pair in pairs:
            key, value = _list(pair)
            made[self.decode(key, depth + 1)] = self.decode(value, depth + 1)
        return made

    def bytes(self, start: Any, size: Any) -> bytes:
        """Return raw bytes of the message.

        Raises:
            WireError: if they lie outside of it.
        """
        fits = type(start) is int and type(size) is int and start >= 0 and size >= 0
        if not fits or start + size > len(self._blob):
            raise WireError("bytes outside of the message")
        return bytes(self._blob[start : start + size])

    def content(self, coded: Any) -> Content | None:
        """Decode the value of a shared object.

        Raises:
            WireError: if it is none.
        """
        if coded is None:
            return None
        if type(coded) is not list or len(coded) != 5 or type(coded[0]) is not str:
            raise WireError("no content of a shared object")
        raw = self.bytes(coded[2], coded[3])
        grad = None if coded[4] is None else self.content([*_list(coded[4])[:4], None])
        return Content(coded[0], _list(coded[1]), raw, grad)


_LETTER: dict[Any, str] = {list: "l", tuple: "t", torch.Size: "z", set: "s", frozenset: "S"}
_MAKE: dict[str, Any] = {letter: kind for kind, letter in _LETTER.items()}


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise WireError("not an encoded list")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise WireError("not an encoded text")
    return value
