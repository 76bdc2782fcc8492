"""Checks of `make lint` that are no checks of Python code."""
