"""A container in the local network of a cluster that is no machine of the cluster: a server that the cluster uses."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask

_HOST = 250


def address_of_guest(cluster: Cluster) -> str:
    """The address of the guest, near the first machine. A network has one guest at a time."""
    return f"{next(iter(cluster.machines.values())).address.rpartition('.')[0]}.{_HOST}"


@contextlib.contextmanager
def guest(
    cluster: Cluster, name: str, command: Sequence[str], mounts: Mapping[Path, str] | None = None
) -> Iterator[Machine]:
    """A container with the image of the machines, during the body. `mounts` are files of this host, read-only."""
    lab = cluster.stack.lab
    model = next(iter(cluster.machines.values()))
    engine = model.engine
    machine = Machine(name, address_of_guest(cluster), f"{lab.name}-{name}", engine)
    image = ask([*engine, "inspect", "--format", "{{.ImageName}}", model.container]).ok().strip()
    ask([*engine, "rm", "--force", machine.container])
    ask(
        [
            *(*engine, "run", "--detach", "--name", machine.container, "--label", f"hardway.lab={lab.name}"),
            *("--network", lab.name, "--ip", machine.address, "--ulimit", "nofile=20000:20000"),
            *(f"--volume={path}:{place}:ro" for path, place in (mounts or {}).items()),
            *("--ulimit", "nproc=10000:10000", image, *command),
        ]
    ).ok()
    try:
        yield machine
    finally:
        ask([*engine, "rm", "--force", "--time", "0", machine.container]).ok()
