"""Rules about exposure: networks that may connect, unencrypted traffic, unencrypted disks, buckets, rights of roles."""

from __future__ import annotations

from pulumi_policy import Policy

from policies.exposure import buckets, instances, networks, plaintext, roles


def rules() -> list[Policy]:
    """The rules of this family."""
    return [*networks.RULES, *instances.RULES, *plaintext.RULES, *buckets.RULES, *roles.RULES]
