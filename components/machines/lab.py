"""Where the machines of a local stack live on this host: a subnet, and ports on 127.0.0.1.

They are chosen free once and then kept in a file of the clone, so that a lab stays the same over restarts, two
clones do not get into each other's way, and removing one node does not move the others.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import socket
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

GATEWAY_HOST = 2
FIRST_HOST = 11
LAST_HOST = 250
"""Host numbers of the /24: 1 is the host's bridge, 2 the lab's gateway, machines from 11 on."""

_SLOTS = 200
_FIRST_PORT, _PORTS = 20000, 256
_POOL = ipaddress.IPv4Network("10.100.0.0/16")


class LabError(RuntimeError):
    """No lab can be reserved; the text says why."""


@dataclass(frozen=True)
class Lab:
    """A reserved place on this host.

    `name` is unique on it; `port_base` is the API's port on 127.0.0.1, and that plus a machine's host number
    is the machine's SSH port.
    """

    name: str
    subnet: str
    port_base: int
    hosts: dict[str, int]

    @property
    def gateway(self) -> str:
        """Address of the lab's gateway: mirror, registry and load balancer."""
        return str(ipaddress.IPv4Network(self.subnet)[GATEWAY_HOST])

    def ssh_port(self, node: str) -> int:
        """Port on 127.0.0.1 that leads to a machine's sshd."""
        return self.port_base + self.hosts[node]


def reserve(
    folder: Path, stack: str, cluster: str, nodes: Iterable[str], subnet: str | None, port_base: int | None
) -> Lab:
    """The lab of a stack, as the file `lab.json` in `folder` has it, or a new one that is free on this host.

    `subnet` and `port_base` come from the page and win over what would be chosen. Raises LabError if nothing is free.
    """
    path = folder / "lab.json"
    known = Lab(**json.loads(path.read_text())) if path.exists() else None
    if known is None:
        # The clone's path is in it: two clones have a stack `dev` each.
        tag = hashlib.sha256(f"{folder.resolve()}:{stack}".encode()).hexdigest()
        slot = next(_free_slots(int(tag, 16) % _SLOTS, subnet, port_base), None)
        if slot is None:
            raise LabError("no free subnet and ports for a lab; set hardway:machines.subnet and .portBase")
        known = Lab(f"{cluster}-{tag[:6]}", *slot, {})
    hosts = {name: known.hosts[name] for name in nodes if name in known.hosts}
    free = (number for number in range(FIRST_HOST, LAST_HOST + 1) if number not in hosts.values())
    hosts |= {name: next(free) for name in nodes if name not in hosts}
    lab = Lab(known.name, subnet or known.subnet, port_base or known.port_base, hosts)
    text = json.dumps(asdict(lab), indent=2) + "\n"
    if not path.exists() or path.read_text() != text:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text)
    return lab


def _free_slots(start: int, subnet: str | None, port_base: int | None) -> Iterator[tuple[str, int]]:
    subnets = list(_POOL.subnets(new_prefix=24))
    for offset in range(_SLOTS):
        slot = (start + offset) % _SLOTS
        candidate = subnet or str(subnets[slot])
        base = port_base or _FIRST_PORT + slot * _PORTS
        if (subnet or not _is_routed(candidate)) and (port_base or _is_free(base)):
            yield candidate, base
        if subnet and port_base:
            return


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_routed(subnet: str) -> bool:
    """Whether this host has a more particular route into the subnet than its default one (Linux; elsewhere: no)."""
    table = Path("/proc/net/route")
    if not table.exists():
        return False
    wanted = ipaddress.IPv4Network(subnet)
    for line in table.read_text().splitlines()[1:]:
        _, destination, _, _, _, _, _, mask, *_ = line.split()
        prefix = bin(int(mask, 16)).count("1")
        if prefix and wanted.overlaps(ipaddress.IPv4Network((int(destination, 16).to_bytes(4, "little"), prefix))):
            return True
    return False
