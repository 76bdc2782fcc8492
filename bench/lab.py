"""Local machines without a stack: the same image and network as those of `make up`, made by the same script."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from components.machines.gateway import API_PORT
from components.machines.host_facts import HostFacts, read_host_facts
from components.machines.local import machine_files
from components.machines.local_network import LocalNetwork
from components.node.payload import Entry, pack
from components.resource_names import GATEWAY
from tests.e2e.support import local_script
from tests.e2e.support.diagnostics import of_machine
from tests.e2e.support.machines import Machine
from tools.common.paths import Clone

_SECONDS = 180


@dataclass(frozen=True)
class Lab:
    """A local network of this host, which has at most one set of machines. `clone` has the script that makes them."""

    clone: Clone
    network: LocalNetwork

    @property
    def facts(self) -> HostFacts:
        """What `make tools` has found out about this host."""
        return read_host_facts(self.clone.cache / "local.json", "auto")

    @property
    def machines(self) -> dict[str, Machine]:
        """The machines by the name of the node, without the gateway, whether they exist or not."""
        subnet, engine = self.network.subnet.rpartition(".")[0], self.facts.engine
        return {
            name: Machine(name, f"{subnet}.{number}", f"{self.network.name}-{name}", engine)
            for name, number in self.network.hosts.items()
        }

    def make(
        self, gateway: Sequence[Entry], mirror: str, machines: Mapping[str, Sequence[Entry]], mounted: Path
    ) -> None:
        """Start the gateway and all machines at the same time, each with its files in place before it boots.

        `mirror` is the folder that the gateway sees at /srv/mirror, or empty. Machines see the folder `mounted` there.
        Raises AssertionError if a machine does not start.
        """
        network = self.network
        login = _login()
        self._call(["network", network.name, network.subnet, network.gateway.rpartition(".")[0] + ".1"])

        def start(name: str, address: str, port: str, files: Sequence[Entry], folder: str) -> None:
            self._call(["machine", network.name, name, address, port], pack(files), folder)

        with ThreadPoolExecutor(len(machines) + 1) as pool:
            made = [
                pool.submit(start, GATEWAY, network.gateway, f"{network.port_base}:{API_PORT}", gateway, mirror),
                *(
                    pool.submit(
                        start,
                        name,
                        self.machines[name].address,
                        f"{network.ssh_port(name)}:22",
                        [*login, *files],
                        str(mounted),
                    )
                    for name, files in machines.items()
                ),
            ]
        for one in made:
            one.result()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """If the body fails, then the error names a folder with the journals of all machines."""
        try:
            yield
        except AssertionError as error:
            folder = self.clone.cache / "bench-failures" / self.network.name
            folder.mkdir(parents=True, exist_ok=True)
            for name, machine in self.machines.items():
                (folder / f"{name}.txt").write_text(of_machine(machine) + "\n")
            raise AssertionError(f"{error}\njournals of the machines: {folder}") from error

    def remove(self) -> None:
        """Remove machines, volumes and network, also those of an interrupted run. Nothing to remove is no failure."""
        name, subnet = self.network.name, self.network.subnet
        with ThreadPoolExecutor() as pool:
            gone = [pool.submit(self._call, ["remove-machine", name, node]) for node in (GATEWAY, *self.network.hosts)]
        for one in gone:
            one.result()
        self._call(["remove-network", name, subnet])

    def _call(self, arguments: Sequence[str], stdin: str = "", mirror: str = "") -> None:
        facts = self.facts
        about = {"IMAGE": facts.node_image, "MIRROR": mirror, "HARDWAY_AT_ONCE": "yes"}
        local_script.call(self.clone, facts.engine, arguments, stdin, timeout=_SECONDS, **about)


def _login() -> tuple[Entry, ...]:
    """Files without which sshd of a machine would start again and again. Nobody has the key that may log in."""
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, capture_output=True)
        return machine_files(key.read_text(), "")
