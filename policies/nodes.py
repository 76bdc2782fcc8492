"""The nodes of a cluster, read from the resources of a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.resource_names import MACHINE_TYPES, NodeResource
from policies.item import Item

_ROLES_BY_LEAF = {"-etcd-peer": "etcd", "-apiserver": "control-plane"}
_SIGNED = "tls:index/locallySignedCert:LocallySignedCert"


@dataclass(frozen=True)
class Node:
    """A node with its roles. `address` and `machine` are None if the stack does not show them."""

    name: str
    roles: frozenset[str]
    address: str | None
    machine: Item | None


def nodes(items: Sequence[Item]) -> dict[str, Node]:
    """The nodes by name, from the output `nodes` of the stack, else from the certificates of each role."""
    described = next((item.props.get("nodes") for item in items if item.type == "pulumi:pulumi:Stack"), None)
    if isinstance(described, Mapping):
        known = {name: facts for name, facts in described.items() if isinstance(facts, Mapping)}
        roles = {name: _texts(facts.get("roles")) for name, facts in known.items()}
        addresses = {name: facts.get("address") for name, facts in known.items()}
    else:
        roles, addresses = _by_certificates(items), {}
    machines = {(item.type, item.name): item for item in items if item.type in MACHINE_TYPES}
    return {name: Node(name, own, _text(addresses.get(name)), _machine(name, machines)) for name, own in roles.items()}


def _by_certificates(items: Sequence[Item]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for item in items:
        for ending, role in _ROLES_BY_LEAF.items():
            if item.type == _SIGNED and item.name.endswith(ending):
                node = item.name.removesuffix(ending)
                found[node] = found.get(node, frozenset()) | {role}
    return found


def _machine(node: str, machines: Mapping[tuple[str, str], Item]) -> Item | None:
    wanted = [(kind, NodeResource.MACHINE.name_for(node)) for kind in MACHINE_TYPES]
    return next((machines[key] for key in wanted if key in machines), None)


def _texts(value: object) -> frozenset[str]:
    return frozenset(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else frozenset()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
