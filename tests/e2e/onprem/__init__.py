"""Hosts that nobody of ours prepared: plain Debian machines behind a bastion. The files run in the order of numbers."""
