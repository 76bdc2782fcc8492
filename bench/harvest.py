"""Takes from a cluster of `make up` what the floor starts with: the files of each machine, and what the API was given.

Nothing is taken that a running cluster has made: no data of etcd, no certificate of a kubelet, no image.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.node.model import ROOT
from tests.e2e.support.kubeconfig import Credentials
from tests.e2e.support.kubectl import write_private
from tests.e2e.support.machines import Machine, machines_of
from tests.e2e.support.stack import LocalNetwork, Stack

_TYPES = "kubernetes:"
_OF_ROOT = ("releases", "store", "current", "bin", "cfg", "ssl")
"""Not what a machine has written there itself, such as that its member of etcd has voted."""
_USERS = ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow")
_PATHS = ("etc/systemd/system", *_USERS, *(f"{ROOT.lstrip('/')}/{name}" for name in _OF_ROOT))
_SECONDS = 120
_ADMIN = f"""
    set -eu
    umask 077
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/key.pem" \\
        -subj /O=system:masters/CN=floor -out "$work/request.pem" 2>/dev/null
    echo extendedKeyUsage=clientAuth >"$work/extensions"
    openssl x509 -req -days 1 -in "$work/request.pem" -CA {ROOT}/ssl/kubernetes-ca.pem -set_serial 1 \\
        -CAkey {ROOT}/ssl/kube-controller-manager/kubernetes-ca.key -extfile "$work/extensions" \\
        -out "$work/cert.pem" 2>/dev/null
    cat "$work/cert.pem" "$work/key.pem"
"""
"""The first person of a cluster that is made by hand is in the group system:masters, which needs no binding."""


@dataclass(frozen=True)
class Harvest:
    """`folder` has an archive NODE.tar for each machine. It holds private keys, and so do `admin` and `objects`.

    `objects` are manifests in an order in which each comes after what it needs.
    """

    folder: Path
    network: LocalNetwork
    objects: Sequence[Mapping[str, Any]]
    admin: Credentials


def harvest(stack: Stack, folder: Path) -> Harvest:
    """Take everything from a cluster that is up. Raises AssertionError if a machine does not give its files."""
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    machines = machines_of(stack)
    for machine in machines.values():
        _archive(machine, folder / f"{machine.name}.tar")
    first = next(iter(machines.values()))
    ca = write_private(folder / "ca.pem", first.read(f"{ROOT}/ssl/kubernetes-ca.pem"))
    both = write_private(folder / "admin.pem", first.run(_ADMIN).ok())
    return Harvest(folder, stack.lab, objects_of(stack.exported(secrets=True)), Credentials(ca, both, both))


def objects_of(export: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The manifests in an export of a stack's state: what the program has given to the API, not what came of it."""
    return [
        _plain(resource["inputs"])
        for resource in export["deployment"]["resources"]
        if resource["type"].startswith(_TYPES)
    ]


def _plain(value: Any) -> Any:
    """A value without the engine's marks: `__defaults`, and those that an export with secrets has."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "plaintext" in value:
        return _plain(json.loads(value["plaintext"]))
    return {key: _plain(one) for key, one in value.items() if not key.startswith("__")}


def _archive(machine: Machine, target: Path) -> None:
    """All links stay links: programs are in one place on a machine, with links from its releases."""
    command = machine.in_mounts(["tar", "--acls", "--numeric-owner", "-C", "/", "-cf", "-", *_PATHS])
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    with target.open("wb") as archive:
        done = subprocess.run(command, stdout=archive, stderr=subprocess.PIPE, timeout=_SECONDS, check=False)
    assert done.returncode == 0, f"{machine.name}: {done.stderr.decode(errors='replace')[-2000:]}"
