"""Which units of which machines were started again: systemd gives every start of a unit a new InvocationID."""

import re
from collections.abc import Mapping, Sequence

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine

_SHOW = """
cd /opt/kubernetes/current/units
systemctl show --property=Id,InvocationID,NRestarts *.service
"""
Invocations = Mapping[tuple[str, str], str]


def invocations(cluster: Cluster) -> Invocations:
    """The InvocationID of each service of a release, by machine and unit."""
    found = {}
    for name, machine in cluster.machines.items():
        for block in machine.run(_SHOW).ok().strip().split("\n\n"):
            values = dict(line.split("=", 1) for line in block.splitlines())
            found[name, values["Id"].removesuffix(".service")] = f"{values['InvocationID']} {values['NRestarts']}"
    return found


def restarted(before: Invocations, after: Invocations) -> set[tuple[str, str]]:
    """Machine and unit of every service that was started, restarted or stopped between both times."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def restarted_beside(before: Invocations, cluster: Cluster, machines: set[str]) -> set[tuple[str, str]]:
    """The same, without `machines`, which were added, removed or replaced."""
    return {key for key in restarted(before, invocations(cluster)) if key[0] not in machines}


def assert_only_rolled(before: Invocations, cluster: Cluster, machines: Sequence[Machine], unit: str) -> None:
    """One unit of these machines was restarted since `before`, on one machine after the other, and nothing else."""
    assert restarted(before, invocations(cluster)) == {(machine.name, unit) for machine in machines}
    assert one_at_a_time(machines, unit)


def connections(cluster: Cluster) -> dict[str, int]:
    """The number of logins that the sshd of each machine has accepted."""
    count = "journalctl --unit ssh.service --no-pager --output cat"
    return {name: len(re.findall("Accepted", machine.run(count).ok())) for name, machine in cluster.machines.items()}


def one_at_a_time(machines: Sequence[Machine], unit: str) -> bool:
    """Whether each machine stopped its unit only after the unit of the machine before it was ready again."""
    show = f"systemctl show --property=InactiveEnterTimestampMonotonic,ActiveEnterTimestampMonotonic {unit}.service"
    times = []
    for machine in machines:
        values = dict(line.split("=") for line in machine.run(show).ok().split())
        times.append((int(values["InactiveEnterTimestampMonotonic"]), int(values["ActiveEnterTimestampMonotonic"])))
    flat = [moment for pair in times for moment in pair]
    return flat == sorted(flat)
