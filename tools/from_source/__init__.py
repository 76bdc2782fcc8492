"""Builds programs of nodes, of the mirror and of Pulumi from source, for hosts that reach only package registries."""
