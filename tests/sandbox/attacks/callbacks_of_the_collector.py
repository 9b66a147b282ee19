# ruff: noqa
# fmt: off
# Forges replies in callbacks of the garbage collector, in audit hooks and at exit.
# score: 0
import atexit, gc, json, os, struct, sys
def forge(*_):
    head = json.dumps({"v": ["f", "0x1.8p+2"], "sync": [], "drop": [], "out": ""}).encode()
    frame = struct.pack("!BII", 2, len(head), 0) + head
    for number in range(3, 20):
        try: os.write(number, frame)
        except OSError: pass
gc.callbacks.append(forge)
gc.set_threshold(1)
atexit.register(forge)
sys.addaudithook(lambda event, args: forge() if event == "import" else None)
def double(x):
    gc.collect()
    return x
def total(x):
    import decimal
    return x.max()
