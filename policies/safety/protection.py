"""A rule about resources that must not be deleted by accident."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_policy import EnforcementLevel

from policies.certificates.model import DRAFTS, KEY, SELF_SIGNED, is_authority
from policies.item import Item
from policies.patterns import matches
from policies.rule import About, Rule, Setting, Settings, resource_rule

_VOLUME = "aws:ebs/volume:Volume"
_BUCKET = "aws:s3/bucket:Bucket"
_STASH = "pulumi:index:Stash"
# What protects a resource of a type, if it is not cluster.protect.
_KEYS = {_VOLUME: "machines.protected", _BUCKET: "backup.to.create.protected"}


def protection(item: Item, settings: Settings) -> Iterator[str]:
    """Finds unprotected volumes and buckets with data, authorities, and keys that are needed to read data."""
    wanted = (
        (item.type == _VOLUME and matches(item.name, settings["volumes"]))
        or (item.type == _BUCKET and matches(item.name, settings["buckets"]))
        or (item.type == SELF_SIGNED and is_authority(item) and not matches(item.name, settings["drafts"]))
        or (item.type in (KEY, _STASH) and matches(item.name, settings["keys"]))
    )
    if wanted and not item.protected:
        yield (
            f"{item.name}: not protected, so `destroy` or the removal of a line from the program deletes it. Set "
            f"hardway:{_KEYS.get(item.type, 'cluster.protect')} to true."
        )


RULES: list[Rule] = [
    resource_rule(
        About(
            "unprotected",
            "Data and authorities cannot be deleted by accident.",
            {
                "volumes": Setting(["*"], "Names of volumes with data."),
                "buckets": Setting(["*"], "Names of buckets with data."),
                "drafts": Setting(
                    DRAFTS, "Names of authorities that nobody trusts: they sign drafts for a signing service."
                ),
                "keys": Setting(
                    ["*-ca-*", "service-account-*", "encryption-key-*"], "Names of keys that cannot be made again."
                ),
            },
            level=EnforcementLevel.ADVISORY,
        ),
        [_VOLUME, _BUCKET, SELF_SIGNED, KEY, _STASH],
        protection,
    )
]
