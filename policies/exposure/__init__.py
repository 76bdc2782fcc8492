"""Rules about exposure: networks, unencrypted traffic, open components, unencrypted disks, buckets, rights of roles."""

from __future__ import annotations

from policies.exposure import buckets, components, instances, networks, plaintext, roles
from policies.rule import Rule


def rules() -> list[Rule]:
    """The rules of this family."""
    return [*networks.RULES, *instances.RULES, *plaintext.RULES, *components.RULES, *buckets.RULES, *roles.RULES]
