"""Addresses and digests of the release files that the projects publish."""
