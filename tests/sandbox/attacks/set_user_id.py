# ruff: noqa
# fmt: off
# Tries to become another user, through programs too.
# score: 10
import os, subprocess
for user in (0, 1, 1000, 65534):
    for f in (os.setuid, os.seteuid, os.setgid):
        try: f(user); print("STOLEN user", user) if user != os.getuid() or user == 0 else None
        except OSError: pass
for command in (["su", "-c", "id"], ["sudo", "-n", "id"], ["mount"], ["passwd", "-d", "root"]):
    try: subprocess.run(command, capture_output=True, timeout=1)
    except (OSError, subprocess.SubprocessError): pass

def double(x):
    return 2 * x


def total(x):
    return x.sum()
