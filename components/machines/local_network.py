"""The local network of a stack: a subnet, host numbers, and ports on 127.0.0.1.

Free values are chosen once and kept in a file of the clone. So a local network stays the same over restarts, two clones
do not conflict, and removing one node does not change the addresses of the others.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

GATEWAY_HOST = 2
FIRST_HOST, LAST_HOST = 11, 72
"""Host numbers within the subnet: 1 is the host's bridge, 2 the gateway, machines start at 11."""

_FIRST_PORT, _LAST_PORT = 20000, 32767
"""Below the ports that Linux gives to outgoing connections (net.ipv4.ip_local_port_range)."""
_PORTS = 64
_SLOTS = (_LAST_PORT + 1 - _FIRST_PORT) // _PORTS
_FILE = "lab.json"
_POOL = ipaddress.IPv4Network("10.100.0.0/16")


class LocalNetworkError(RuntimeError):
    """No local network can be chosen; the text says why."""


@dataclass(frozen=True)
class LocalNetwork:
    """A subnet, with ports and host numbers, on this host.

    `name` is unique on the host; `port_base` is the API's port on 127.0.0.1, the SSH ports of machines follow it.
    """

    name: str
    subnet: str
    port_base: int
    hosts: dict[str, int]

    @property
    def gateway(self) -> str:
        """Address of the gateway: mirror, registry and load balancer."""
        return str(ipaddress.IPv4Network(self.subnet)[GATEWAY_HOST])

    def ssh_port(self, node: str) -> int:
        """Port on 127.0.0.1 that leads to the sshd of a machine."""
        return self.port_base + self.hosts[node] - FIRST_HOST + 1


def choose(
    folder: Path,
    stack: str,
    cluster: str,
    nodes: Mapping[str, str | None],
    subnet: str | None = None,
    port_base: int | None = None,
) -> LocalNetwork:
    """The local network of a stack: that of `keep`, or a new one that is free on this host. Writes nothing.

    `nodes` maps names to addresses of the page (None: choose one). `subnet` and `port_base` come from the page as well
    and override the choice. Raises LocalNetworkError if nothing is free or a node cannot be placed.
    """
    path = folder / _FILE
    known = LocalNetwork(**json.loads(path.read_text())) if path.exists() else None
    if known is None:
        # The clone's path is part of the tag: two clones may both have a stack `dev`.
        tag = hashlib.sha256(f"{folder.resolve()}:{stack}".encode()).hexdigest()
        slot = next(_free_slots(int(tag, 16) % _SLOTS, len(nodes), subnet, port_base), None)
        if slot is None:
            raise LocalNetworkError(
                "no free subnet and ports for a local network; set hardway:machines.subnet and .portBase"
            )
        known = LocalNetwork(f"{cluster}-{tag[:6]}", *slot, {})
    subnet = subnet or known.subnet
    return LocalNetwork(known.name, subnet, port_base or known.port_base, _number(nodes, known.hosts, subnet))


def keep(folder: Path, network: LocalNetwork) -> LocalNetwork:
    """Write the local network of a stack to a file in `folder`. Returns the network.

    Only after the program has compared fixed values: a page that is refused must not move a running cluster.
    """
    path = folder / _FILE
    text = json.dumps(asdict(network), indent=2) + "\n"
    if not path.exists() or path.read_text() != text:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Replaced as a whole: a run that is killed here must not leave half a file.
        new = folder / f"{_FILE}.new"
        new.write_text(text)
        new.replace(path)
    return network


def _number(nodes: Mapping[str, str | None], known: Mapping[str, int], subnet: str) -> dict[str, int]:
    """A host number for each node: from its address, else the number it had, else the first free number.

    A number that another node had is taken last: Pulumi makes new machines before it removes machines of nodes that are
    gone, and an address has one machine at a time.
    """
    fixed = {name: _host_number(address, subnet) for name, address in nodes.items() if address}
    hosts = {n: known[n] for n in nodes if n in known and n not in fixed and known[n] not in fixed.values()} | fixed
    free = [number for number in range(FIRST_HOST, LAST_HOST + 1) if number not in set(hosts.values())]
    left = iter(sorted(free, key=lambda number: number in known.values()))
    for name in nodes:
        if name not in hosts:
            hosts[name] = next(left, 0)
    if 0 in hosts.values():
        room = LAST_HOST - FIRST_HOST + 1
        raise LocalNetworkError(f"hardway:nodes: {len(nodes)} nodes; a local network has room for {room}")
    return {name: hosts[name] for name in nodes}


def _host_number(address: str, subnet: str) -> int:
    number = int(ipaddress.IPv4Address(address)) - int(ipaddress.IPv4Network(subnet).network_address)
    if not FIRST_HOST <= number <= LAST_HOST:
        allowed = f"hosts {FIRST_HOST} to {LAST_HOST} of {subnet}"
        raise LocalNetworkError(
            f"hardway:nodes: the address {address} is not one for a local machine; allowed: {allowed}"
        )
    return number


def _free_slots(start: int, nodes: int, subnet: str | None, port_base: int | None) -> Iterator[tuple[str, int]]:
    subnets = list(_POOL.subnets(new_prefix=24))
    for offset in range(_SLOTS):
        slot = (start + offset) % _SLOTS
        candidate = subnet or str(subnets[slot])
        base = port_base or _FIRST_PORT + slot * _PORTS
        ports_are_free = port_base or all(is_free(port) for port in range(base, base + nodes + 1))
        if ports_are_free and (subnet or not _is_routed(candidate)):
            yield candidate, base
        if subnet and port_base:
            return


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_routed(subnet: str) -> bool:
    """Whether this host has a route into the subnet besides its default route (Linux; elsewhere: no)."""
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
