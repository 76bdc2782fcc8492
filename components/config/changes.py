"""What an edit of the page does to a running cluster: one class for every key, in one table.

The table generates `docs/configuration.md`. The program refuses a change of a fixed value (`components/fixed.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from components.config.errors import Finding


class Change(StrEnum):
    """The class of a key: what a change of its value does to a running cluster (`MEANING`)."""

    FREE = "free"
    ROLLED = "rolled"
    ROTATED = "next generation"
    ROTATION = "rotation"
    REPLACES = "replaces the machine"
    RESTORE = "restore"
    FIXED = "fixed"


MEANING = {
    Change.FREE: "Nothing restarts.",
    Change.ROLLED: "Programs that read the value restart or reload, one machine after the other.",
    Change.ROTATED: "Keys and authorities that exist stay as they are; the value counts for the next generation.",
    Change.ROTATION: "A step of a rotation: programs restart or reload, one machine after the other. A step that "
    "leaves out another step is refused.",
    Change.REPLACES: "The machine is replaced, or the value counts when the machine is replaced.",
    Change.RESTORE: "All API servers and members of etcd stop, and start again with the data of a snapshot: "
    "docs/backup.md.",
    Change.FIXED: "A change is refused on a running cluster, before anything happens.",
}

CHANGES: dict[str, Change] = {
    "cluster.name": Change.ROLLED,
    "cluster.domain": Change.FIXED,
    "cluster.protect": Change.FREE,
    "versions": Change.ROLLED,
    "machines.provider": Change.FIXED,
    "machines.engine": Change.FIXED,
    "machines.subnet": Change.FIXED,
    "machines.portBase": Change.FIXED,
    "machines.user": Change.FREE,
    "machines.privateKeyFile": Change.FREE,
    "machines.privateKey": Change.FREE,
    "machines.bastion": Change.FREE,
    "machines.endpoint": Change.ROLLED,
    "machines.endpoint.clients": Change.FREE,
    "machines.vip": Change.ROLLED,
    "machines.swap": Change.ROLLED,
    "machines.packages": Change.FREE,
    "machines.removeData": Change.FREE,
    "machines.containers": Change.ROLLED,
    "machines.region": Change.FIXED,
    "machines.network.cidr": Change.FIXED,
    "machines.network.zones": Change.REPLACES,
    "machines.network.nat": Change.FREE,
    "machines.network.vpc": Change.FIXED,
    "machines.sshClients": Change.FREE,
    "machines.nodePortClients": Change.FREE,
    "machines.image": Change.REPLACES,
    "machines.imageArm64": Change.REPLACES,
    "machines.controlPlane": Change.REPLACES,
    "machines.etcd": Change.REPLACES,
    "machines.worker": Change.REPLACES,
    "machines.etcdData": Change.FREE,
    "machines.kmsKey": Change.REPLACES,
    "machines.protected": Change.FREE,
    "machines.tags": Change.FREE,
    "nodes": Change.ROLLED,
    "nodes[].name": Change.REPLACES,
    "nodes[].roles": Change.ROLLED,
    "nodes[].address": Change.REPLACES,
    "nodes[].architecture": Change.REPLACES,
    "nodes[].ssh": Change.FREE,
    "nodes[].labels": Change.FREE,
    "nodes[].taints": Change.ROLLED,
    "network.podCidr": Change.FIXED,
    "network.nodeCidrMaskSize": Change.FIXED,
    "network.serviceCidr": Change.FIXED,
    "network.nodePortRange": Change.ROLLED,
    "network.proxyMode": Change.ROLLED,
    "network.flannel": Change.ROLLED,
    "network.policies": Change.ROLLED,
    "dns": Change.ROLLED,
    "pki.algorithm": Change.ROTATED,
    "pki.subject": Change.ROTATED,
    "pki.authorities": Change.ROTATED,
    "pki.profiles": Change.FREE,
    "pki.signingLifetime": Change.ROLLED,
    "pki.generations": Change.ROTATION,
    "authorities": Change.ROTATION,
    "authorities.kubernetes[].certificate": Change.ROLLED,
    "authorities.etcd[].certificate": Change.ROLLED,
    "authorities.frontProxy[].certificate": Change.ROLLED,
    "authorities.etcd[].service": Change.FREE,
    "authorities.frontProxy[].service": Change.FREE,
    "etcd.walDir": Change.FIXED,
    "etcd.dataDir": Change.FIXED,
    "etcd": Change.ROLLED,
    "backup": Change.FREE,
    "restore": Change.RESTORE,
    "api.extraSans": Change.FREE,
    "api.port": Change.FIXED,
    "access": Change.FREE,
    "access.oidc": Change.ROLLED,
    "access.proxy": Change.ROLLED,
    "access.tokenWebhook": Change.ROLLED,
    "access.tokens": Change.ROLLED,
    "access.authorizationWebhook": Change.ROLLED,
    "access.namespaces[].nodeSelector": Change.ROLLED,
    "access.namespaces[].tolerations": Change.ROLLED,
    "admission": Change.ROLLED,
    "rollout": Change.FREE,
    "extraArgs": Change.ROLLED,
    "extraConfig": Change.ROLLED,
    "artifacts": Change.FREE,
    "artifacts.registryMirrors": Change.ROLLED,
    "artifacts.certificateAuthority": Change.ROLLED,
    "artifacts.proxy": Change.ROLLED,
}
"""The class of each key of the page. The longest beginning of a path decides."""


def change_of(path: str) -> Change:
    """The class of a key, such as `network.podCidr`. Raises KeyError for a path that the table does not have."""
    beginning = path
    while beginning not in CHANGES:
        if not beginning:
            raise KeyError(path)
        beginning = beginning[:-2] if beginning.endswith("[]") else beginning.rpartition(".")[0]
    return CHANGES[beginning]


def refused_changes(first: Mapping[str, str], now: Mapping[str, str], allowed: str) -> list[Finding]:
    """A finding for each fixed value that differs from the value with which the cluster was made.

    The function skips a path that only one side has: the other side comes from a version of the program that did not
    know the path. `allowed` says what to do instead.
    """
    return [
        Finding(path, f"{now[path]!r} cannot take the place of {first[path]!r} on a running cluster", allowed)
        for path in now
        if path in first and first[path] != now[path]
    ]
