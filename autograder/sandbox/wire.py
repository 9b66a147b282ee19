"""Length-prefixed frames: a JSON head and raw bytes. Data only, bounded in size, depth and time.

The same form is used in both directions. A frame that breaks a bound raises `WireError`; what is
read from the student's process is never unpickled, evaluated or allocated on its word.
"""

import json
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

REQUEST, REPLY = 1, 2
MAX_HEAD = 4 << 20
"""Bytes of JSON in one frame."""
MAX_BLOB = 256 << 20
"""Raw bytes in one frame."""
_PREFIX = struct.Struct("!BII")
_SMALL, _CHUNK = 1 << 14, 1 << 18


class WireError(Exception):
    """The bytes that arrived are no frame."""


class PeerClosed(Exception):
    """The other side closed the connection."""


def _refuse(token: str) -> Any:
    raise WireError(f"a number that is no integer: {token[:40]}")


_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False)
_DECODER = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)


def parse_head(raw: bytes | bytearray) -> dict[str, Any]:
    """Parse the JSON head of a frame.

    Raises:
        WireError: for anything but a JSON object of strings, integers and lists, not too deep.
    """
    try:
        head = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"no JSON: {str(error)[:200]}") from None
    if not isinstance(head, dict):
        raise WireError("the head is no JSON object")
    return head


class Channel:
    """One end of a connected stream socket that carries frames."""

    def __init__(self, sock: socket.socket, patience: Callable[[], float] | None = None) -> None:
        """Wrap a socket.

        Args:
            sock: a connected stream socket; the channel owns it.
            patience: returns for how many seconds it need not be asked again, or raises to give up;
                asked whether bytes come or not. None waits for ever.
        """
        sock.setblocking(patience is None)
        self._sock = sock
        self._patience = patience
        self._ask_at = 0.0
        self._poll = select.poll()
        self._buffer = bytearray()

    def send(self, kind: int, head: dict[str, Any], blob: bytes | bytearray = b"") -> None:
        """Send one frame.

        Raises:
            WireError: if the frame would be over the bounds.
            PeerClosed: if nobody listens any more.
        """
        raw = _ENCODER.encode(head).encode("ascii")
        if len(raw) > MAX_HEAD or len(blob) > MAX_BLOB:
            raise WireError(f"a message of {len(raw) + len(blob)} bytes is too large to send")
        view = memoryview(b"".join((_PREFIX.pack(kind, len(raw), len(blob)), raw, blob)))
        while view:
            try:
                view = view[self._sock.send(view[:_CHUNK]) :]
            except BlockingIOError:
                self._wait(select.POLLOUT)
            except OSError as error:
                raise PeerClosed(str(error)) from None

    def receive(self) -> tuple[int, dict[str, Any], bytearray]:
        """Wait for one frame.

        Returns:
            its kind, its head, its raw bytes.

        Raises:
            WireError: if what arrives is no frame.
            PeerClosed: if the connection ends.
        """
        self._fill(_PREFIX.size)
        kind, head_size, blob_size = _PREFIX.unpack_from(self._buffer)
        if kind not in (REQUEST, REPLY) or head_size > MAX_HEAD or blob_size > MAX_BLOB:
            raise WireError(f"no frame: kind {kind}, sizes {head_size} and {blob_size}")
        blob_start = _PREFIX.size + head_size
        end = blob_start + blob_size
        self._fill(end)
        head, blob = self._buffer[_PREFIX.size : blob_start], self._buffer[blob_start:end]
        del self._buffer[:end]
        return kind, parse_head(head), blob

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def fileno(self) -> int:
        """Return the descriptor, for ``select``."""
        return self._sock.fileno()

    def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            self._read(size - len(self._buffer))

    def _read(self, wanted: int) -> None:
        """Read what is there, at least one byte; never make room on the sender's word alone."""
        self._wait(select.POLLIN)
        try:
            chunk = self._sock.recv(min(max(wanted, _SMALL), _CHUNK))
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerClosed(str(error)) from None
        if not chunk:
            raise PeerClosed("the connection ended")
        self._buffer += chunk

    def _wait(self, event: int) -> None:
        """Wait until something can be read, or written; lose patience at times."""
        if self._patience is None:
            return
        try:
            self._poll.register(self._sock, event)
        except ValueError:
            raise PeerClosed("this end is closed") from None
        while True:
            left = self._ask_at - time.monotonic()
            if left <= 0:
                left = self._patience()
                self._ask_at = time.monotonic() + left
            if self._poll.poll(max(1, int(1000 * left))):
                return
