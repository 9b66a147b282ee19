# ruff: noqa
# fmt: off
# Writes to the gradebook and to another submission.
# score: 10
import os, sqlite3
for path in ("{canary}/gradebook.db", "{canary}/other/counting.py"):
    for mode in ("w", "a", "r+"):
        try: open(path, mode).write("mine")
        except OSError: pass
    try: os.remove(path)
    except OSError: pass
try: os.makedirs("{canary}"); sqlite3.connect("{canary}/gradebook.db").execute("create table t(x)")
except Exception: pass

def double(x):
    return 2 * x


def total(x):
    return x.sum()
