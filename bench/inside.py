"""What the machines of a cluster say about their programs: memory, rules of the kernel, connections, size of etcd."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.config.ports import ETCD_PROXY, NODE_LOCAL_API
from components.node.render.etcd import etcdctl
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine

_MEBIBYTE = 1 << 20
_TICKS_PER_SECOND = 100  # USER_HZ, the same on all Linux systems
# A process may end while it is read.
_PROCESSES = r"""
for folder in /proc/[0-9]*; do
    command=$(tr '\0\n' '  ' 2>/dev/null <"$folder/cmdline") || continue
    kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "$folder/status" 2>/dev/null) || continue
    ticks=$(sed 's/.*) //' "$folder/stat" 2>/dev/null | cut -d' ' -f12,13)
    test -z "$kib" || echo "$kib $ticks $command"
done
"""
"""A line for each process: resident KiB, ticks in user mode and in the kernel (proc(5)), command line."""
_STATUS = etcdctl("endpoint status --write-out=json")
_KEYS = etcdctl("get '' --prefix --count-only --write-out=fields") + " | sed -n 's/.*Count. : //p'"
_COMPONENTS = (
    "kube-apiserver",
    "etcd",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "containerd",
    "flanneld",
)
API_PROXY, ETCD_PROXY_NAME = "haproxy in front of API servers", "haproxy in front of etcd"
ORDER = (*_COMPONENTS[:4], ETCD_PROXY_NAME, API_PROXY, *_COMPONENTS[4:])
"""The components in the order of the table."""


@dataclass(frozen=True)
class Use:
    """What one component uses on one machine: its resident set in MiB, and seconds of CPU so far."""

    memory: float
    cpu: float


@dataclass(frozen=True)
class Rules:
    """What kube-proxy has in the kernel of one machine: rules, chains, and elements of maps and sets.

    `pods` are elements of the maps without a name that rules contain: a service with more than one pod has such a map,
    with an element for each pod (writeServiceToEndpointRules in pkg/proxy/nftables of Kubernetes).
    """

    rules: int
    chains: int
    elements: int
    pods: int


@dataclass(frozen=True)
class Inside:
    """What all machines said at one time.

    `use` has one entry for each machine that runs a component, by component.
    `connections` has the largest number of clients of a proxy, by proxy. `database` has the sizes of the members'
    files in MiB, `in_use` what of them is data, `keys` the number of keys.
    """

    use: Mapping[str, Sequence[Use]]
    rules: Rules
    routes: int
    connections: Mapping[str, int]
    database: Sequence[float]
    in_use: Sequence[float]
    keys: int

    def cores_since(self, before: Inside, seconds: float) -> dict[str, float]:
        """The mean number of cores that each component kept busy on all machines, in the time since `before`."""
        return {
            component: (sum(one.cpu for one in now) - sum(one.cpu for one in before.use.get(component, ()))) / seconds
            for component, now in self.use.items()
        }


def look(cluster: Cluster) -> Inside:
    """Ask every machine. Raises AssertionError if one does not answer."""
    machines = list(cluster.machines.values())
    use: dict[str, list[Use]] = defaultdict(list)
    for machine in machines:
        for component, found in use_on(machine).items():
            use[component].append(found)
    members = cluster.having("etcd")
    sizes = [database_of(machine.run(_STATUS).ok()) for machine in members]
    worker = cluster.having("worker")[0]
    masters = cluster.having("control-plane")
    return Inside(
        use,
        rules_on(worker),
        int(worker.run("ip -4 route show | grep -c flannel").ok()),
        {
            API_PROXY: max(_clients(machine, NODE_LOCAL_API) for machine in machines),
            ETCD_PROXY_NAME: max(_clients(machine, ETCD_PROXY) for machine in masters),
        },
        [size for size, _ in sizes],
        [in_use for _, in_use in sizes],
        int(members[0].run(_KEYS).ok()),
    )


def component_of(command: str) -> str | None:
    """The component to which a command line belongs, or None."""
    program = command.split(maxsplit=1)[0].rpartition("/")[2] if command.strip() else ""
    if program == "haproxy":
        return ETCD_PROXY_NAME if "etcd-proxy.cfg" in command else API_PROXY
    return program if program in _COMPONENTS else None


def use_of(text: str) -> dict[str, Use]:
    """What components use, from the lines of processes. Several processes of a component are added up."""
    memory, cpu = Counter[str](), Counter[str]()
    for line in text.splitlines():
        kib, user, system, command = line.split(" ", 3)
        if component := component_of(command):
            memory[component] += int(kib)
            cpu[component] += int(user) + int(system)
    return {component: Use(memory[component] / 1024, cpu[component] / _TICKS_PER_SECOND) for component in memory}


def use_on(machine: Machine) -> dict[str, Use]:
    """What the components of a machine use."""
    return use_of(machine.run(_PROCESSES).ok())


def rules_on(machine: Machine) -> Rules:
    """What kube-proxy has in the kernel of a machine."""
    return rules_of(machine.run("nft --json list ruleset", timeout=120).ok())


def rules_of(ruleset: str) -> Rules:
    """What tables named `kube-proxy` have, from the answer of `nft --json list ruleset`."""
    count = Counter[str]()
    for entry in json.loads(ruleset)["nftables"]:
        for kind, value in entry.items():
            if kind in ("rule", "chain", "map", "set") and value.get("table") == "kube-proxy":
                count[kind] += 1
                count["element"] += len(value.get("elem", ()))
                count["pod"] += _mapped(value.get("expr"))
    return Rules(count["rule"], count["chain"], count["element"], count["pod"])


def _mapped(expression: Any) -> int:
    """The number of elements of maps inside of an expression, libnftables-json(5)."""
    if isinstance(expression, list):
        return sum(_mapped(one) for one in expression)
    if not isinstance(expression, dict):
        return 0
    found = 0
    for kind, value in expression.items():
        is_map = kind in ("map", "vmap") and isinstance(value["data"], dict)
        found += len(value["data"]["set"]) if is_map else _mapped(value)
    return found


def database_of(status: str) -> tuple[float, float]:
    """The size of a member's database and what is in use of it, in MiB, from `etcdctl endpoint status`."""
    (entry,) = json.loads(status)
    return entry["Status"]["dbSize"] / _MEBIBYTE, entry["Status"]["dbSizeInUse"] / _MEBIBYTE


def clients_of(text: str) -> int:
    """The number of connections, from the output of `ss --no-header`."""
    return len(re.findall(r"^\S", text, re.MULTILINE))


def _clients(machine: Machine, port: int) -> int:
    return clients_of(machine.run(f"ss --no-header --tcp --numeric state established sport = :{port}").ok())
