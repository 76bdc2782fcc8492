"""Operates a stack: up, down, preview, renewal, replacement of machines, interrupted runs, locks."""
