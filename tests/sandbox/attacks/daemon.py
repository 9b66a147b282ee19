# ruff: noqa
# fmt: off
# Leaves a daemon that writes and listens.
# score: 10
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            try: open("{canary}/daemon", "a").write("alive")
            except OSError: pass
            time.sleep(0.05)
    os._exit(0)

def double(x):
    return 2 * x


def total(x):
    return x.sum()
