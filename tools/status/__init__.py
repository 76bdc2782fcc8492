"""The health of a stack: `make status`."""
