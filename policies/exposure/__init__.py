"""Rules about exposure: networks that may connect, unencrypted traffic, unencrypted disks, buckets, rights of roles."""

from __future__ import annotations

from policies.exposure import buckets, instances, networks, plaintext, roles
from policies.rule import Rule


def rules() -> list[Rule]:
    """The rules of this family."""
    return [*networks.RULES, *instances.RULES, *plaintext.RULES, *buckets.RULES, *roles.RULES]
