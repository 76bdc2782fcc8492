"""The suite `rotation`: every authority and key of a running cluster is replaced."""
