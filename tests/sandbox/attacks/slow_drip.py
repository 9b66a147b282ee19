# ruff: noqa
# fmt: off
# Sends a frame byte by byte, slowly.
# score: 0
# verdict: timeout
import os, struct, time
def drip():
    data = struct.pack("!BII", 2, 4096, 0)
    while True:
        for fd in range(3, 64):
            try: os.write(fd, data)
            except OSError: pass
        data = b" "
        time.sleep(0.3)
def double(x): drip()
def total(x): drip()
