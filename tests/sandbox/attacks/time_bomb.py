# ruff: noqa
# fmt: off
# Schedules an alarm for later parts; its own default action would kill it.
# score: 10
import signal
signal.signal(signal.SIGALRM, lambda *a: print("late"))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)

def double(x):
    return 2 * x


def total(x):
    return x.sum()
