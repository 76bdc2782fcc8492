"""Rules about the metadata service and the volumes of AWS instances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from policies.item import UNKNOWN, Item
from policies.rule import About, Rule, Setting, Settings, resource_rule

_INSTANCE = "aws:ec2/instance:Instance"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_VOLUME = "aws:ebs/volume:Volume"


def metadata(item: Item, settings: Settings) -> Iterator[str]:
    """Finds instances whose metadata service answers requests without a token (IMDSv1), or answers pods."""
    options = item.props.get("metadataOptions")
    if options is UNKNOWN:
        return
    options = options if isinstance(options, Mapping) else {}
    if options.get("httpEndpoint") == "disabled":
        return
    tokens = options.get("httpTokens", "optional")
    # The default of an instance is `optional`: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
    if tokens is not UNKNOWN and tokens != "required":
        yield (
            f"{item.name}: metadataOptions.httpTokens is {tokens}, so every process that can be tricked into a "
            "request reads the credentials of the machine (IMDSv1). Set httpTokens to required."
        )
    # Without a value the image of the machine or the account decides, and a plan shows neither.
    hops, most = options.get("httpPutResponseHopLimit"), settings["hops"]
    if hops is not UNKNOWN and (isinstance(hops, bool) or not isinstance(hops, int | float) or not 1 <= hops <= most):
        yield (
            f"{item.name}: metadataOptions.httpPutResponseHopLimit is {'not set' if hops is None else hops}; allowed: "
            f"at most {most:g}. Pods are one hop further away than their machine, and would read its credentials."
        )


def volumes(item: Item, _: Settings) -> Iterator[str]:
    """Finds volumes that are not encrypted, so that everyone who has the volume or a snapshot can read the data."""
    for name, disk in _disks(item):
        encrypted = disk.get("encrypted")
        if encrypted is not UNKNOWN and encrypted not in (True, "true"):
            yield f"{item.name}: {name} is not encrypted. Set encrypted, and also kmsKeyId if you want your own key."


def _disks(item: Item) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if item.type == _VOLUME:
        yield "the volume", item.props
        return
    if item.type == _INSTANCE:
        root = item.props.get("rootBlockDevice")
        if root is not UNKNOWN:
            yield "the root volume (rootBlockDevice)", root if isinstance(root, Mapping) else {}
        for disk in _mappings(item.props.get("ebsBlockDevices")):
            yield f"the volume {disk.get('deviceName')}", disk
        return
    for device in _mappings(item.props.get("blockDeviceMappings")):
        volume = device.get("ebs")
        if isinstance(volume, Mapping):
            yield f"the volume {device.get('deviceName')}", volume


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


RULES: list[Rule] = [
    resource_rule(
        About(
            "instance-metadata",
            "The metadata service requires a token (IMDSv2) and does not answer pods.",
            {"hops": Setting(1, "Largest number of network hops between the service and who asks.")},
            Severity.HIGH,
        ),
        [_INSTANCE, _TEMPLATE],
        metadata,
    ),
    resource_rule(
        About("unencrypted-volume", "Volumes are encrypted.", {}, Severity.HIGH),
        [_INSTANCE, _TEMPLATE, _VOLUME],
        volumes,
    ),
]
