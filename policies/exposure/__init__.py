"""Rules about exposure: networks that may connect, unencrypted traffic, unencrypted disks."""

from __future__ import annotations

from pulumi_policy import Policy

from policies.exposure import instances, networks, plaintext


def rules() -> list[Policy]:
    """The rules of this family."""
    return [*networks.RULES, *instances.RULES, *plaintext.RULES]
