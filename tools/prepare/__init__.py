"""Prepares this host: packages, limits, the virtual environment. Standard library only."""
