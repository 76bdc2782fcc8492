"""Makes the cluster of the bench with kubeadm, as somebody does who has written a script for the documented steps.

https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability/: a load balancer, `kubeadm init
--upload-certs`, flannel, and then all other machines join at the same time.
"""

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.cpu import CpuLog, busy
from bench.kubeadm_config import (
    ADMIN,
    FOLDER,
    Layout,
    Secrets,
    flannel_manifest,
    init_config,
    join_config,
    machine_entries,
)
from bench.lab import Lab
from bench.moments import Moments
from bench.watching import FirstAnswer, all_ready, dns_answers
from components.config import Page
from components.machines.gateway import balancer_files
from components.machines.local_network import choose, keep
from components.node.payload import Entry
from components.topology import MachineNetwork, NodePlan, plan
from tests.e2e.support.kubeconfig import Credentials, unpack
from tests.e2e.support.kubectl import write_private
from tests.e2e.support.machines import Machine
from tests.e2e.support.progress import Say
from tools.common.paths import Clone
from tools.common.store import remove_tree
from tools.from_source import kubeadm

NAME = "kubeadm"
_COMMAND_SECONDS = 400
_INIT = "--upload-certs --skip-token-print --skip-certificate-key-print"
_ROLES = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True)
class Kubeadm:
    """`page` has the nodes and networks, `files` is the result of `tools.from_source.kubeadm.build`.

    `folder` is for files of this way, and is removed at the end.
    """

    clone: Clone
    page: Page
    files: Path
    folder: Path
    say: Say

    @property
    def _lab(self) -> Lab:
        nodes = {node.name: node.address for node in self.page.nodes}
        return Lab(self.clone, choose(self.folder, NAME, NAME, nodes))

    def clear_away(self) -> None:
        """Remove everything that a run has left on this host, and the files in `folder`."""
        self._lab.remove()
        remove_tree(self.folder)

    def measure(self) -> Moments:
        """Measure a new cluster. Raises AssertionError if a step fails. The cluster is removed in any case."""
        self.clear_away()
        try:
            lab = self._lab
            keep(self.folder, lab.network)
            with lab.explained():
                return self._measure(lab)
        finally:
            self.clear_away()

    def _measure(self, lab: Lab) -> Moments:
        network = lab.network
        topology = plan(self.page, MachineNetwork(network.subnet, network.hosts), (network.gateway, network.port_base))
        unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
        layout = Layout(topology, network.gateway, self.page.network.proxy_mode, unified)
        shared = Secrets(f"{secrets.token_hex(3)}.{secrets.token_hex(8)}", secrets.token_hex(32))
        first, *others = sorted(topology.nodes, key=lambda node: not node.is_control_plane)
        flannel = flannel_manifest(
            (self.files / kubeadm.FLANNEL).read_text(), topology.pod_cidr, self.page.network.proxy_mode
        )
        entries = {node.name: machine_entries(layout) for node in topology.nodes}
        entries[first.name] += (
            Entry(f"{FOLDER.lstrip('/')}/init.yaml", init_config(layout, first, shared), 0o600),
            Entry(f"{FOLDER.lstrip('/')}/flannel.yaml", flannel),
        )
        machines = lab.machines
        with FirstAnswer(lambda: network.port_base) as answer, CpuLog() as cpu, ThreadPoolExecutor() as pool:
            begin = time.monotonic()
            lab.make(balancer_files(topology), "", entries, self.files)
            made = time.monotonic()
            for one in [pool.submit(_place, machines[node.name], node) for node in topology.nodes]:
                one.result()
            placed = time.monotonic()
            self.say(f"kubeadm: {made - begin:.1f} s machines, {placed - begin:.1f} s files and images")
            cp = machines[first.name]
            _run(cp, f"kubeadm init --config {FOLDER}/init.yaml {_INIT}")
            self.say(f"kubeadm: {time.monotonic() - begin:.1f} s init")
            _run(cp, f"kubectl --kubeconfig {ADMIN} apply --filename {FOLDER}/flannel.yaml")
            authority = _digest_of_authority(cp)
            joins = [
                pool.submit(_join, machines[node.name], join_config(layout, node, shared, authority)) for node in others
            ]
            admin = self._admin(cp, network.port_base)
            ready = all_ready(network.port_base, admin, len(topology.nodes))
            dns = dns_answers(list(machines.values())[-1], topology.dns_address)
            returned = max(one.result() for one in joins)
        self._check(cp, topology.control_plane_nodes)
        cores = busy(cpu.samples, begin, dns)
        return Moments(*(at - begin for at in (made, placed, answer.at, ready, dns, returned)), cores=cores)

    def _admin(self, first: Machine, port: int) -> Credentials:
        content = yaml.safe_load(first.read(ADMIN))
        content["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        return unpack(write_private(self.folder / "admin.conf", json.dumps(content)), self.folder)

    def _check(self, first: Machine, wanted: tuple[NodePlan, ...]) -> None:
        """The cluster has its control plane: as many nodes, and as many members of etcd that vote."""
        kubectl = f"kubectl --kubeconfig {ADMIN}"
        nodes = _run(first, f"{kubectl} get nodes --selector {_ROLES} --output name").split()
        assert len(nodes) == len(wanted), f"control-plane nodes: {nodes}"
        ssl = "/etc/kubernetes/pki/etcd"
        member = f"--namespace kube-system etcd-{first.name} -- etcdctl --cacert {ssl}/ca.crt --cert {ssl}/peer.crt"
        members = _run(first, f"{kubectl} exec {member} --key {ssl}/peer.key member list --write-out json")
        voting = [one for one in json.loads(members)["members"] if not one.get("isLearner")]
        assert len(voting) == len(wanted), f"members of etcd: {members}"


def _run(machine: Machine, command: str, stdin: str = "") -> str:
    return machine.run(command, stdin=stdin, timeout=_COMMAND_SECONDS).ok()


def _place(machine: Machine, node: NodePlan) -> None:
    images = kubeadm.CONTROL_PLANE if node.is_control_plane else kubeadm.WORKER
    script = f"""
        set -eu
        tar -xf /srv/mirror/{kubeadm.PROGRAMS} -C /
        systemctl enable --quiet containerd kubelet
        systemctl start containerd
        ctr --namespace k8s.io images import /srv/mirror/{images} >/dev/null"""
    _run(machine, script)


def _join(machine: Machine, config: str) -> float:
    script = f"umask 077; mkdir -p {FOLDER}; cat >{FOLDER}/join.yaml; kubeadm join --config {FOLDER}/join.yaml"
    _run(machine, script, config)
    return time.monotonic()


def _digest_of_authority(first: Machine) -> str:
    """The digest that `kubeadm init` prints for joins."""
    key = "openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform DER"
    return f"sha256:{_run(first, f'{key} | openssl dgst -sha256 -r').split()[0]}"
