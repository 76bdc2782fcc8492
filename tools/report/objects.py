"""Machines, Kubernetes objects, and everything else that changes. Of all values only images are ever shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.resource_names import NodeResource, signed_by_service
from tools.report.certificates import AUTHORITY, KEY, LEAF, REQUEST
from tools.report.nodes import RELEASE, node_of
from tools.report.read import HIDDEN, UNKNOWN, Preview, Step, Values
from tools.report.source import is_change_of_source

_MACHINES = "hardway:machines:"
_INSTANCES = ("aws:ec2/instance:Instance",)
_COMMAND = "command:local:Command"


@dataclass(frozen=True)
class ObjectChange:
    """One resource: `operation` (create, update, replace, delete), kind, name, and the properties that change.

    The operation `retain` is a deletion from the state alone: the object stays in the cluster.
    """

    operation: str
    kind: str
    name: str
    changed: tuple[str, ...] = ()


def machine_changes(preview: Preview) -> tuple[ObjectChange, ...]:
    """Machines that are created, replaced, changed or removed, by name."""
    return _sorted(
        ObjectChange(
            step.operation,
            "machine",
            NodeResource.MACHINE.node_in(step.name) or step.name,
            step.reasons or step.changed,
        )
        for step in preview.steps
        if _is_machine(step)
    )


def kubernetes_changes(preview: Preview) -> tuple[ObjectChange, ...]:
    """Objects in the cluster that change, by kind and name; without `incomparable_objects`."""
    return _sorted(
        ObjectChange(
            "retain" if step.operation == "delete" and step.retained else step.operation,
            step.type.rpartition(":")[2],
            _object_name(step),
            _object_parts(step),
        )
        for step in preview.steps
        if _is_kubernetes(step) and not _is_incomparable(step)
    )


def incomparable_objects(preview: Preview) -> int:
    """How many objects Pulumi calls changed only because it has no API credentials before the run issues them."""
    return sum(_is_incomparable(step) for step in preview.steps)


def other_changes(preview: Preview) -> tuple[ObjectChange, ...]:
    """Every change that no other part of the report shows."""
    shown = {step.name for step in preview.steps if step.type in (LEAF, AUTHORITY)}
    shown |= {signed_by_service(step.name) for step in preview.steps if step.type == LEAF}
    nodes = {NodeResource.MACHINE.node_in(step.name) or step.name for step in preview.steps if _is_machine(step)}
    shown |= {NodeResource.SSH_HOST_KEY.name_for(node) for node in nodes}
    return _sorted(
        ObjectChange(step.operation, _short(step.type), step.name, step.reasons or step.changed)
        for step in preview.steps
        if not (
            step.type in (RELEASE, LEAF, AUTHORITY)
            or node_of(step)
            or _is_machine(step)
            or _is_kubernetes(step)
            or is_change_of_source(step, preview)
            # A key, a request and the command for a signing service belong to one certificate. A machine has one host
            # key.
            or (step.type in (KEY, REQUEST, _COMMAND) and step.name in shown)
            # Components only group other resources.
            or step.type.startswith(("hardway:", "pulumi:pulumi:"))
        )
    )


def _is_machine(step: Step) -> bool:
    # Firewall rules and roles may have names with this suffix, too.
    made = step.type == _COMMAND and _MACHINES in step.chain
    return step.type in _INSTANCES or (made and NodeResource.MACHINE.node_in(step.name) != "")


def _is_kubernetes(step: Step) -> bool:
    return step.type.startswith("kubernetes:")


def _is_incomparable(step: Step) -> bool:
    return _is_kubernetes(step) and step.operation == "update" and not _object_parts(step)


def _object_name(step: Step) -> str:
    namespace, name = (_known(step, key) for key in ("namespace", "name"))
    return "/".join(part for part in (namespace, name or step.name) if part)


def _known(step: Step, key: str) -> str:
    """The new or else the old value of the metadata; empty if one of them is secret."""
    found = [_metadata(values).get(key) for values in (step.new, step.old)]
    known = [value for value in found if isinstance(value, str) and value != UNKNOWN]
    return known[0] if known and HIDDEN not in known else ""


def _metadata(values: Values) -> Values:
    metadata = values.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _object_parts(step: Step) -> tuple[str, ...]:
    """Paths of the properties that change, and images before and after."""
    paths = step.reasons if step.operation == "replace" else step.changed
    if step.operation == "update" and not paths:
        paths = tuple(_unlike(step.old, step.new))
    return (*_images(step), *paths)


def _unlike(old: object, new: object, path: str = "") -> Iterator[str]:
    """Paths at which two inputs are known to differ; an empty value equals a missing one."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            # Keys that the Kubernetes provider adds for itself.
            if not key.startswith("__"):
                yield from _unlike(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _unlike(one, other, f"{path}[{index}]")
    elif old != new and new != UNKNOWN and HIDDEN not in (old, new) and (old or new):
        yield path


def _short(type_: str) -> str:
    """`tls:index/privateKey:PrivateKey` as `tls:PrivateKey`."""
    package, _, rest = type_.partition(":")
    return f"{package}:{rest.rpartition(':')[2]}" if "/" in rest or rest.startswith("index:") else type_


def _images(step: Step) -> tuple[str, ...]:
    before, after = dict(_containers(step.old)), dict(_containers(step.new))
    return tuple(
        f"image {before[name]} -> {after[name]}"
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    )


def _containers(value: object) -> Iterator[tuple[str, str]]:
    """Name and image of every container anywhere in an object; without the digest, which tells a reader nothing."""
    if isinstance(value, dict):
        if isinstance(value.get("image"), str) and "name" in value:
            yield str(value["name"]), value["image"].partition("@")[0]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _containers(item)


def _sorted(changes: Iterator[ObjectChange]) -> tuple[ObjectChange, ...]:
    return tuple(sorted(changes, key=lambda c: (c.kind, c.name, c.operation)))
