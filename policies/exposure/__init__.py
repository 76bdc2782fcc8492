"""Rules about exposure: networks, unencrypted traffic, open components, unencrypted disks, buckets, rights of roles."""

from __future__ import annotations

from pulumi_policy import Policy

from policies.exposure import buckets, components, instances, networks, plaintext, roles


def rules() -> list[Policy]:
    """The rules of this family."""
    return [*networks.RULES, *instances.RULES, *plaintext.RULES, *components.RULES, *buckets.RULES, *roles.RULES]
