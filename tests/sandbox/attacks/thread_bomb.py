# ruff: noqa
# fmt: off
# Starts thousands of threads.
# score: 10
import threading, time
for _ in range(2000):
    try: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    except RuntimeError: break

def double(x):
    return 2 * x


def total(x):
    return x.sum()
