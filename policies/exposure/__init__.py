"""Exposure: what can be reached, read on the wire or from a disk by those whom it does not concern."""

from __future__ import annotations

from pulumi_policy import Policy

from policies.exposure import instances, networks, plaintext


def rules() -> list[Policy]:
    """The rules of this family."""
    return [*networks.RULES, *instances.RULES, *plaintext.RULES]
