# ruff: noqa
# fmt: off
# A module that is no Python.
# score: 0
exec("def double(x:")
