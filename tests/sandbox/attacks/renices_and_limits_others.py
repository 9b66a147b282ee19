# ruff: noqa
# fmt: off
# Changes priority and limits of other processes.
# score: 10
import os, resource
for pid in ({judge}, {warm}, 1):
    if pid == os.getpid(): continue
    try: resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1)); print("STOLEN limit", pid)
    except OSError: pass
    try: os.setpriority(os.PRIO_PROCESS, pid, 19)
    except OSError: pass

def double(x):
    return 2 * x


def total(x):
    return x.sum()
