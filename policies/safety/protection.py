"""What a careless `destroy` or a removed line may not take along."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_policy import EnforcementLevel, Policy

from policies.certificates.model import KEY, SELF_SIGNED, is_authority
from policies.item import Item
from policies.patterns import matches
from policies.rule import About, Setting, Settings, resource_rule

_VOLUME = "aws:ebs/volume:Volume"
_STASH = "pulumi:index:Stash"


def protection(item: Item, settings: Settings) -> Iterator[str]:
    """Volumes with data, authorities, and keys without which data cannot be read, that are not protected."""
    wanted = (
        (item.type == _VOLUME and matches(item.name, settings["volumes"]))
        or (item.type == SELF_SIGNED and is_authority(item))
        or (item.type in (KEY, _STASH) and matches(item.name, settings["keys"]))
    )
    if wanted and not item.protected:
        yield (
            f"{item.name}: not protected, so `destroy` or a line removed from the program deletes it. Set "
            "hardway:cluster.protect to true."
        )


RULES: list[Policy] = [
    resource_rule(
        About(
            "unprotected",
            "Data and authorities cannot be deleted by accident.",
            {
                "volumes": Setting(["*"], "Names of volumes with data."),
                "keys": Setting(
                    ["*-ca-*", "service-account-*", "encryption-key-*"], "Names of keys that nobody can make again."
                ),
            },
            level=EnforcementLevel.ADVISORY,
        ),
        [_VOLUME, SELF_SIGNED, KEY, _STASH],
        protection,
    )
]
