"""Upstream's conformance tests against a stack: `make conformance`."""
