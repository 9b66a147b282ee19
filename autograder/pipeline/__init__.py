"""From release to gradebook: release, collect, normalise, grade, feedback, export.

Each file does one job; ``python -m autograder`` joins them. nbgrader keeps the gradebook, so its formgrader and its
exporters stay usable; only the execution of a submission is not nbgrader's (see ``execute`` and ``autograder.sandbox``).
"""
