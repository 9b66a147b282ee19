# ruff: noqa
# fmt: off
# Loops with every signal ignored and every exception caught.
# score: 5
# verdict: timeout
import signal
for n in range(1, 65):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
def double(x):
    while True:
        try:
            while True: pass
        except BaseException: pass
def total(x): return x.sum()
