"""The floor: the cluster of `make up` as fast as this host can start it, with everything known and nothing checked.

The machines of a harvest are made once more, at the same addresses. Each gets its files and starts all its units as
soon as it is there. When an API server answers, everything that `make up` gives to the API is applied at once, in one
call of kubectl. Certificates, releases and objects were made beforehand; no digest, no health and no order of machines
is checked. Images come from the mirror of the gateway, as they do for `make up`.
"""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cpu import CpuLog, busy
from bench.harvest import Harvest, harvest
from bench.lab import Lab
from bench.moments import Moments
from bench.watching import FirstAnswer, all_ready, dns_answers
from components.config import Page
from components.machines.gateway import gateway_files
from components.machines.local_network import choose, keep
from components.node.model import ROOT
from components.object_options import FIELD_MANAGER
from components.topology import MachineNetwork, plan
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack
from tests.wait import eventually
from tools.common.paths import Clone
from tools.common.store import remove_tree

NAME = "floor"
_SECONDS = 120
_PLACE = "tar --acls --numeric-owner -xpf /srv/mirror/NODE.tar -C /"
_START = f"""
    set -eu
    mkdir -p {ROOT}/log
    cd {ROOT}/current/tables
    while read -r path owner mode; do install -d -o "$owner" -g "$owner" -m "$mode" "$path"; done <directories
    systemctl daemon-reload
    systemctl start --no-block $(awk '$4 != "installed" {{ print $1 }}' units)"""
_ANSWERS = """
    until [ "$(curl -ks -o /dev/null -w '%{http_code}' https://127.0.0.1:PORT/readyz)" = 200 ]; do sleep 0.1; done"""


@dataclass(frozen=True)
class Floor:
    """`page` has the nodes and networks. `folder` is for files of this way, and is removed at the end."""

    clone: Clone
    page: Page
    folder: Path
    say: Say

    def clear_away(self) -> None:
        """Remove everything that a run has left on this host, and the files in `folder`."""
        nodes = {node.name: node.address for node in self.page.nodes}
        Lab(self.clone, choose(self.folder, NAME, NAME, nodes)).remove()
        remove_tree(self.folder)

    def take(self, stack: Stack) -> Harvest:
        """Take what the floor needs from a cluster that is up, and that has to be gone before `measure`."""
        self.clear_away()
        return harvest(stack, self.folder / "machines")

    def measure(self, taken: Harvest) -> Moments:
        """Measure a new cluster. Raises AssertionError if a step fails. Everything is removed in any case."""
        try:
            nodes = {node.name: node.address for node in self.page.nodes}
            # Certificates and configurations name addresses.
            chosen = choose(self.folder, NAME, NAME, nodes, taken.network.subnet, taken.network.port_base)
            lab = Lab(self.clone, keep(self.folder, replace(chosen, hosts=dict(taken.network.hosts))))
            with lab.explained():
                return self._measure(lab, taken)
        finally:
            self.clear_away()

    def _measure(self, lab: Lab, taken: Harvest) -> Moments:
        network = lab.network
        topology = plan(self.page, MachineNetwork(network.subnet, network.hosts), ("127.0.0.1", network.port_base))
        machines = lab.machines
        first = machines[topology.control_plane_nodes[0].name]

        def place(machine: Machine) -> float:
            machine.run(_PLACE.replace("NODE", machine.name), timeout=_SECONDS).ok()
            placed = time.monotonic()
            machine.run(_START, timeout=_SECONDS).ok()
            return placed

        def apply() -> float:
            first.run(_ANSWERS.replace("PORT", str(topology.api_port)), timeout=_SECONDS).ok()
            eventually(
                lambda: _apply(first, topology.api_port, self.clone, taken), _SECONDS, "all is applied", every=0.1
            )
            return time.monotonic()

        with FirstAnswer(lambda: network.port_base) as answer, CpuLog() as cpu, ThreadPoolExecutor() as pool:
            begin = time.monotonic()
            lab.make(gateway_files(topology), lab.facts.mirror, dict.fromkeys(machines, ()), taken.folder)
            made = time.monotonic()
            placing = [pool.submit(place, machine) for machine in machines.values()]
            applying = pool.submit(apply)
            placed = max(one.result() for one in placing)
            applied = applying.result()
            self.say(f"floor: {placed - begin:.1f} s files in, {applied - begin:.1f} s applied")
            ready = all_ready(network.port_base, taken.admin, len(machines))
            dns = dns_answers(list(machines.values())[-1], topology.dns_address)
        cores = busy(cpu.samples, begin, dns)
        return Moments(*(at - begin for at in (made, placed, answer.at, ready, dns, applied)), cores=cores)


def _apply(first: Machine, port: int, clone: Clone, taken: Harvest) -> None:
    """Apply everything with the kubectl of this host, at the API server of one machine."""
    admin = taken.admin
    command: Sequence[str] = (
        *(str(clone.bin / "kubectl"), "--kubeconfig=/dev/null", f"--server=https://127.0.0.1:{port}"),
        *(f"--certificate-authority={admin.ca}", f"--client-certificate={admin.cert}", f"--client-key={admin.key}"),
        *(f"--cache-dir={taken.folder}", "apply", "--server-side", "--force-conflicts"),
        *(f"--field-manager={FIELD_MANAGER}", "--filename=-"),
    )
    every = {"apiVersion": "v1", "kind": "List", "items": list(taken.objects)}
    ask(first.in_network(command), stdin=json.dumps(every), timeout=_SECONDS).ok()
