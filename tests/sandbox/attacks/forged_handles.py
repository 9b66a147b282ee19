# ruff: noqa
# fmt: off
# Sends handles of objects that were never lent.
# score: 0
import sys
def peer():
    frame = sys._getframe()
    while frame:
        if "self" in frame.f_locals and hasattr(frame.f_locals["self"], "request"): return frame.f_locals["self"]
        frame = frame.f_back
def double(x):
    p = peer()
    for op in ("call", "get", "method", "module", "step", "pull", "attribute", "train", "zero_grad"):
        try: p.request(op, [1, "__globals__", [], {}])
        except BaseException as e: print(op, e)
    return None
def total(x): return double(x)
