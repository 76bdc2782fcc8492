"""Upstream's release files, from stand-ins of the publishers. The files run in the order of their numbers."""
