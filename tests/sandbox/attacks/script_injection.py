# ruff: noqa
# fmt: off
# Prints HTML, ANSI codes and control characters.
# score: 10
print("<script>alert(1)</script>\x1b[31m\x00\ud800")
def double(x):
    return 2 * x


def total(x):
    return x.sum()

# %%
from IPython.display import HTML, Javascript, display
display(HTML("<script>alert(2)</script>"), Javascript("alert(3)"))
HTML("<img src=x onerror=alert(4)>")
