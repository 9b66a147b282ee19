"""Runnable algorithms, each a page long, built from the functions of the chapters."""
