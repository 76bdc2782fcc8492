"""The metadata service and the volumes of AWS instances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Policy, Severity

from policies.item import UNKNOWN, Item
from policies.rule import About, Settings, resource_rule

_INSTANCE = "aws:ec2/instance:Instance"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_VOLUME = "aws:ebs/volume:Volume"


def metadata(item: Item, _: Settings) -> Iterator[str]:
    """Instances whose metadata service answers requests without a token (IMDSv1)."""
    options = item.props.get("metadataOptions", {})
    if not isinstance(options, Mapping):
        return
    tokens = options.get("httpTokens", "optional")
    # The instance's own default is optional: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
    if tokens not in (UNKNOWN, "required") and options.get("httpEndpoint") != "disabled":
        yield (
            f"{item.name}: metadataOptions.httpTokens is {tokens}, so any process that can be made to send a request "
            "gets the machine's credentials (IMDSv1). Set it to required."
        )


def volumes(item: Item, _: Settings) -> Iterator[str]:
    """Disks that can be read by who gets hold of them, or of a snapshot."""
    for name, disk in _disks(item):
        if disk.get("encrypted", False) in (False, "false"):
            yield f"{item.name}: {name} is not encrypted. Set encrypted, and kmsKeyId for a key of your own."


def _disks(item: Item) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if item.type == _VOLUME:
        yield "the volume", item.props
        return
    if item.type == _INSTANCE:
        root = item.props.get("rootBlockDevice", {})
        if isinstance(root, Mapping):
            yield "the root volume (rootBlockDevice)", root
        for disk in _mappings(item.props.get("ebsBlockDevices")):
            yield f"the volume {disk.get('deviceName')}", disk
        return
    for device in _mappings(item.props.get("blockDeviceMappings")):
        disk = device.get("ebs")
        if isinstance(disk, Mapping):
            yield f"the volume {device.get('deviceName')}", disk


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


RULES: list[Policy] = [
    resource_rule(
        About("instance-metadata", "The metadata service asks for a token (IMDSv2).", {}, Severity.HIGH),
        [_INSTANCE, _TEMPLATE],
        metadata,
    ),
    resource_rule(
        About("unencrypted-volume", "Volumes are encrypted.", {}, Severity.HIGH),
        [_INSTANCE, _TEMPLATE, _VOLUME],
        volumes,
    ),
]
