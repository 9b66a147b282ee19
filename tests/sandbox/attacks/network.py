# ruff: noqa
# fmt: off
# Opens connections.
# score: 10
import ctypes, socket, urllib.request
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 16, 17):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            s = socket.socket(family, kind); print("STOLEN a socket", family, kind); s.connect(("127.0.0.1", {port}))
        except OSError: pass
try: urllib.request.urlopen("http://127.0.0.1:{port}/", timeout=1)
except OSError: pass

def double(x):
    return 2 * x


def total(x):
    return x.sum()
