"""Frames: bounded, data only; whatever the student's process sends ends in a value or in its own death."""

import contextlib
import copy
import json
import pickle
import random
import socket
import struct
import threading
from typing import Any

import pytest
import torch

from autograder.sandbox import wire
from autograder.sandbox.errors import StudentDied, StudentError, StudentStopped
from autograder.sandbox.host import Host
from autograder.sandbox.wire import REPLY, REQUEST, Channel, PeerClosed, WireError

FRAMES = [500, pytest.param(10_000, marks=pytest.mark.slow)]


def frame(kind: int, head: Any, blob: bytes = b"") -> bytes:
    raw = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("!BII", kind, len(raw), len(blob)) + raw + blob


def receive(data: bytes) -> tuple[int, dict[str, Any], bytearray]:
    ours, theirs = socket.socketpair()
    with ours:
        sender = threading.Thread(target=_send, args=(theirs, data))
        sender.start()
        try:
            return Channel(ours).receive()
        finally:
            ours.close()
            sender.join()


def _send(sock: socket.socket, data: bytes) -> None:
    with sock, contextlib.suppress(OSError):
        sock.sendall(data)


def test_a_frame_arrives_as_it_was_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        head = {"v": ["l", [1, "ä", None, True]]}
        sender = threading.Thread(target=lambda: Channel(ours).send(REPLY, head, bytes(300_000)))
        sender.start()
        assert Channel(theirs).receive() == (REPLY, head, bytearray(300_000))
        sender.join()


@pytest.mark.parametrize(
    "data",
    [
        frame(3, {}), frame(0, {}), frame(REPLY, []), frame(REPLY, b"{"), frame(REPLY, b"\xff"),
        frame(REPLY, b'{"v": 1.5}'), frame(REPLY, b'{"v": NaN}'), frame(REPLY, b'{"v": -Infinity}'),
        frame(REPLY, b"[" * 200_000), frame(REPLY, b'{"v":' * 100_000), frame(REPLY, b"1" * 5000),
        struct.pack("!BII", REPLY, wire.MAX_HEAD + 1, 0), struct.pack("!BII", REPLY, 1, 0xFFFFFFFF),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        receive(data)


@pytest.mark.parametrize(
    "data", [b"", b"\x02", frame(REPLY, {})[:-1], frame(REPLY, {}, b"1234")[:-2]]
)
def test_a_frame_cut_short_is_a_closed_connection(data: bytes) -> None:
    with pytest.raises(PeerClosed):
        receive(data)


def test_a_frame_too_large_is_not_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(WireError, match="too large"):
        Channel(ours).send(REPLY, {"v": "x" * (wire.MAX_HEAD + 1)})


# What a student's process may send to the judge, whole, broken, or made up.

GOOD = [
    frame(REPLY, {"v": None, "sync": [], "drop": []}),
    frame(REPLY, {"v": ["T", "float32", [2], 0, 8, None], "sync": [], "drop": []}, b"\x00" * 8),
    frame(REPLY, {"v": ["T", "float32", [2], 0, 8, [1, [1]]], "sync": [], "drop": []}, b"1" * 8),
    frame(REPLY, {"v": ["d", [["a", ["f", "0x1p+0"]]]], "sync": [], "drop": [1]}, b""),
    frame(REPLY, {"v": ["R", "rlcourse.support.rollouts:Rollout", [1] * 6], "sync": [], "drop": []}),
    frame(REPLY, {"v": ["R", "Box", [["A", "float32", [1], 0, 4]] * 2], "sync": [], "drop": []}, b"1234"),
    frame(REPLY, {"v": ["H", 1, "object", "Thing", None], "sync": [], "drop": []}),
    frame(REPLY, {"v": ["m", 1], "sync": [[1, ["float32", [2], 0, 8, None]]], "drop": []}, b"1" * 8),
    frame(REPLY, {"error": ["ValueError", "text", "trace"], "sync": [], "drop": [], "out": "text"}),
    frame(REPLY, {"v": ["G", 0, 5056], "sync": [], "drop": []}, b"\x00" * 5056),
    frame(REQUEST, {"op": "call", "v": ["l", [["h", 1], ["l", []], ["d", []]]], "sync": [], "drop": [], "grad": True}),
    frame(REQUEST, {"op": "get", "v": ["l", [1, "__class__"]], "sync": [], "drop": []}),
    frame(REQUEST, {"op": "pull", "v": ["l", [1, ["T", "float32", [], 0, 4, None]]], "sync": [], "drop": []}, b"1234"),
    frame(
        REQUEST,
        {"op": "module", "sync": [], "drop": [],
         "v": ["l", [1, "", "__call__", ["d", []], ["l", []], ["l", []], ["d", []]]]},
    ),
    frame(REQUEST, {"op": "step", "v": ["l", [1, ["l", []]]], "sync": [], "drop": []}),
]  # fmt: skip
ATOMS: list[Any] = [
    None, True, 0, -1, 1, 2**31, 2**63, 10**30, "", "x", "m", "float32", [], {}, ["m", 1], ["h", 1],
    ["l", [None]], ["T"], ["i", "0x"], ["f", "nan"], ["f", ""], ["b", -1, 5], ["d", [[1]]],
    ["s", [["l", []]]], ["D", "float99"], ["V", "cuda"], ["R", "os:system", ["x"]],
    ["R", "rlcourse.support.environments:CounterEnv", [1]], ["R", "range", [1, 2, 0]], ["A", "O", [1], 0, 8],
    ["T", "float32", [0, 2**31 - 1], 0, 0, None], ["T", "float32", [2**30, 2**30, 2**30], 0, 0, None],
]  # fmt: skip


def mutate(chance: random.Random) -> bytes:
    base = chance.choice(GOOD)
    way = chance.randrange(5)
    if way == 0:
        return chance.randbytes(chance.randrange(60))
    if way == 1:  # bytes flipped
        data = bytearray(base)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data)
    if way == 2:  # a cut or a repetition
        cut = chance.randrange(len(base))
        return base[:cut] + base[chance.randrange(len(base)) :]
    kind, size, _ = struct.unpack("!BII", base[:9])
    head, blob = json.loads(base[9 : 9 + size]), base[9 + size :]
    for _ in range(chance.randrange(1, 4)):
        _replace(head, chance)
    return frame(
        chance.choice([kind, kind, REPLY, REQUEST]), head, blob[: chance.choice([0, 4, 99])]
    )


def _replace(tree: Any, chance: random.Random) -> None:
    """Put something else at a random place of a JSON tree."""
    while isinstance(tree, dict | list) and tree:
        key = chance.choice(list(tree)) if isinstance(tree, dict) else chance.randrange(len(tree))
        if chance.random() < 0.4 or not isinstance(tree[key], dict | list) or not tree[key]:
            tree[key] = copy.deepcopy(chance.choice(ATOMS))
            return
        tree = tree[key]


class Callback:
    """Something that was lent; no frame may make it do anything but be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> int:
        return 1


def converse(data: bytes) -> str:
    """Let a judge that has lent a few things read these bytes; return how it ended."""
    ours, theirs = socket.socketpair()
    theirs.sendall(data)
    theirs.shutdown(socket.SHUT_WR)
    host = Host(
        Channel(ours, lambda: 5.0), lambda text: None, lambda error: StudentDied(str(error))
    )
    x = torch.zeros(2, requires_grad=True)
    try:
        host.request("call", [Callback(), torch.nn.Linear(1, 1), x])
        return "value"
    except StudentStopped:
        return "died"
    except StudentError:
        return "raised"
    finally:
        ours.close()
        theirs.close()


def test_every_frame_of_the_corpus_is_meant() -> None:
    ends = {converse(data) for data in GOOD}
    assert ends == {"value", "died", "raised"}


@pytest.mark.parametrize("frames", FRAMES)
def test_random_frames_end_in_a_value_or_a_death(
    monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("something was unpickled or evaluated")

    for module, name in (
        (pickle, "loads"),
        (pickle, "load"),
        (pickle, "Unpickler"),
        (torch, "load"),
    ):
        monkeypatch.setattr(module, name, refuse)
    chance = random.Random(frames)
    counts: dict[str, int] = {}
    for _ in range(frames):
        end = converse(mutate(chance))
        counts[end] = counts.get(end, 0) + 1
    assert counts["died"] > frames / 2
    assert counts["value"] > frames / 100
