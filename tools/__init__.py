"""Builds everything a stack needs on this machine and runs it: `python3 -m tools --help`.

Standard library only: the tools run before any virtual environment exists.
"""
