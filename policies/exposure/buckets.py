"""Rules about buckets of S3: who may reach them, on which way, and what is left of an object that somebody removes.

The settings of a bucket are resources of their own, so a setting that is missing shows only in the whole stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import Severity

from policies.documents import statements
from policies.item import UNKNOWN, Item
from policies.patterns import matches
from policies.rule import About, Rule, Setting, Settings, StackCheck, stack_rule

_BUCKET = "aws:s3/bucket:Bucket"
_ACCESS = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")

Check = Callable[[Sequence[Item]], Iterator[str]]
"""What is wrong with the settings of one bucket."""


def _for_each_bucket(check: Check) -> StackCheck:
    """The check for every bucket of a stack, with the settings of this bucket only."""

    def rule(items: Sequence[Item], settings: Settings) -> Iterator[tuple[str, str]]:
        for bucket in items:
            if bucket.type == _BUCKET and not matches(bucket.name, settings["buckets"]):
                for message in check([item for item in items if _is_about(item, bucket)]):
                    yield bucket.urn, f"{bucket.name}: {message}"

    return rule


def _is_about(item: Item, bucket: Item) -> bool:
    if not item.type.startswith("aws:s3/bucket") or item.type == _BUCKET:
        return False
    # The id of a bucket that the plan makes is unknown. Where it comes from is known.
    named = item.text("bucket")
    return bucket.urn in item.sources.get("bucket", ()) or (named is not None and named == bucket.text("bucket"))


def public(found: Sequence[Item]) -> Iterator[str]:
    """Finds buckets that a policy or an access control list could open to everybody."""
    blocks = [item.props for item in found if item.type == _ACCESS]
    if not blocks:
        yield "no BucketPublicAccessBlock, so a later policy can open the bucket to everybody."
    for props in blocks:
        if missing := [name for name in _BLOCKS if props.get(name) is not UNKNOWN and props.get(name) is not True]:
            yield f"the BucketPublicAccessBlock does not set {', '.join(missing)} to true."
    owners = [_part(item.props, "rule").get("objectOwnership") for item in found if item.type == _OWNERSHIP]
    if not any(owner in ("BucketOwnerEnforced", UNKNOWN) for owner in owners):
        yield (
            f"the object ownership is {owners[0] if owners else 'not set'}, so access control lists of objects count. "
            "Set objectOwnership of BucketOwnershipControls to BucketOwnerEnforced."
        )


def encryption(found: Sequence[Item]) -> Iterator[str]:
    """Finds buckets whose encryption nobody has chosen."""
    for item in found:
        if item.type == _ENCRYPTION:
            rules = item.props.get("rules")
            defaults = [_part(rule, "applyServerSideEncryptionByDefault") for rule in rules or []]
            known = [default.get("sseAlgorithm") for default in defaults]
            if rules is UNKNOWN or any(
                algorithm in ("AES256", "aws:kms", "aws:kms:dsse", UNKNOWN) for algorithm in known
            ):
                return
    yield "no encryption at rest. Set sseAlgorithm of BucketServerSideEncryptionConfiguration to AES256 or aws:kms."


def versioning(found: Sequence[Item]) -> Iterator[str]:
    """Finds buckets from which a removed object is gone at once."""
    states = [_part(item.props, "versioningConfiguration").get("status") for item in found if item.type == _VERSIONING]
    if not any(state in ("Enabled", UNKNOWN) for state in states):
        yield (
            f"versioning is {states[0] if states else 'not set'}, so who may remove objects can remove them for good. "
            "Set status of BucketVersioning to Enabled."
        )


def plain_http(found: Sequence[Item]) -> Iterator[str]:
    """Finds buckets that answer over plain http."""
    policies = [item.props.get("policy") for item in found if item.type == _POLICY]
    if not any(policy is UNKNOWN or any(map(_refuses_plain_http, statements(policy))) for policy in policies):
        yield (
            "no policy refuses plain http. Deny s3:* for everybody, for the bucket and its objects, if "
            "aws:SecureTransport is false."
        )


def _refuses_plain_http(statement: Mapping[str, Any]) -> bool:
    condition = statement.get("Condition")
    if statement.get("Effect") != "Deny" or not isinstance(condition, Mapping) or set(condition) != {"Bool"}:
        return False
    secure = condition["Bool"]
    everybody = statement.get("Principal") in ("*", {"AWS": "*"})
    everything = statement.get("Action") in ("s3:*", ["s3:*"], "*", ["*"])
    named = statement.get("Resource")
    resources = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    whole = "*" in resources or (
        any(str(r).endswith("/*") for r in resources) and any("/" not in str(r) for r in resources)
    )
    only = isinstance(secure, Mapping) and {k.lower(): str(v).lower() for k, v in secure.items()}
    return everybody and everything and whole and only == {"aws:securetransport": "false"}


def _part(value: Any, name: str) -> Mapping[str, Any]:
    """A mapping inside of a mapping. If it is unknown, then everything in it is."""
    part = value.get(name) if isinstance(value, Mapping) else value
    if part is UNKNOWN:
        return _Everything()
    return part if isinstance(part, Mapping) else {}


class _Everything(dict[str, Any]):
    """A mapping whose every value is unknown."""

    def get(self, key: str, default: Any = None) -> Any:
        return UNKNOWN


def _about(name: str, description: str, severity: Severity = Severity.HIGH) -> About:
    return About(name, description, {"buckets": Setting([], "Buckets that the rule leaves out.")}, severity)


RULES: list[Rule] = [
    stack_rule(
        _about("bucket-public", "Nothing can open a bucket to everybody.", Severity.CRITICAL), _for_each_bucket(public)
    ),
    stack_rule(_about("bucket-encryption", "Buckets encrypt what they store."), _for_each_bucket(encryption)),
    stack_rule(_about("bucket-versioning", "Buckets keep what is removed or replaced."), _for_each_bucket(versioning)),
    stack_rule(_about("bucket-plain-http", "Buckets refuse plain http."), _for_each_bucket(plain_http)),
]
