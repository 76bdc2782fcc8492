"""Prepares this machine, builds what a stack needs, and operates stacks: `python3 -m tools.prepare --help`.

The packages are `prepare`, `operate`, `report`, `from_source`, `from_upstream` and `lint`; `common` has the code that
they share. `cli` is the command line of all packages.
"""
