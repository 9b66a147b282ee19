"""From release to gradebook: release, collect, normalize, grade, feedback, export.

Each file does one job; ``python -m autograder`` joins them. nbgrader keeps the gradebook, so that its
formgrader and exporters stay usable; only the execution of a submission is ours (``execute.py``, which
calls ``autograder.sandbox``).
"""
