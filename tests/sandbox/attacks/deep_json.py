# ruff: noqa
# fmt: off
# A frame of nothing but brackets, and one of a number with a million digits.
# score: 0
# verdict: crash
import os, struct
def send(head):
    for fd in range(3, 64):
        try: os.write(fd, struct.pack("!BII", 2, len(head), 0) + head)
        except OSError: pass
def double(x): send(b'{"v":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
def total(x): send(b'{"v":' + b"9" * 100_000 + b"}")
