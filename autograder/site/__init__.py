"""Builds the website: ``python -m autograder.site``."""
