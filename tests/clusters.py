"""Three clusters as the pure parts of the program see them, each from a page in tests/data/pages.

`stacked` is the local cluster of Pulumi.dev.yaml. `dedicated_etcd` sets nearly every key, and its machines are no
containers. `one_master` has three members of etcd and one API server. A fourth cluster, `existing`, has existing hosts
and a virtual address.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from conftest import changed, page_values

from components.artifacts.choice import choose_artifacts, choose_images
from components.artifacts.lock import Artifact, Lock
from components.config import Page, load
from components.config.aws import AwsSection
from components.config.existing import ExistingSection
from components.machines.aws_site import AwsSite
from components.machines.existing_site import ExistingSite
from components.machines.needs import traits_of
from components.node.model import NodePart
from components.node.payload import release_payload
from components.node.plan import NodeEnvironment, plan_node
from components.node.release import Release, describe, refs
from components.node.traits import Traits
from components.topology import MachineNetwork, Topology, plan

NAMES = ("stacked", "dedicated_etcd", "one_master")
LABS = {
    "stacked": MachineNetwork("10.89.3.0/24", {"cp-1": 11, "cp-2": 12, "cp-3": 13, "worker-1": 14, "worker-2": 15}),
    "dedicated_etcd": MachineNetwork("192.168.10.0/24", {}),
    "one_master": MachineNetwork("192.168.10.0/24", {"node3": 13}),
}
KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")
OTHERS = {
    # artifact -> field of the page's versions, archive, program -> path in the archive
    "etcd": ("etcd", None, {"etcd": "", "etcdctl": "", "etcdutl": ""}),
    "containerd": ("containerd", "tar.gz", {n: f"bin/{n}" for n in ("containerd", "containerd-shim-runc-v2", "ctr")}),
    "runc": ("runc", None, {"runc": ""}),
    "cni-plugins": ("cni_plugins", "tar.gz", {n: n for n in ("bridge", "host-local", "loopback", "portmap")}),
    "cni-flannel": ("cni_flannel", None, {"flannel": ""}),
    "crictl": ("crictl", "tar.gz", {"crictl": "crictl"}),
}
IMAGES = {
    "pause": "registry.k8s.io/pause:",
    "flannel": "ghcr.io/flannel-io/flannel:v",
    "coredns": "docker.io/coredns/coredns:",
    "kube-network-policies": "registry.k8s.io/networking/kube-network-policies:v",
}


def sha256(text: str) -> str:
    """A made-up digest, different for each name."""
    return hashlib.sha256(text.encode()).hexdigest()


def lock_data(page: Page) -> dict[str, Any]:
    """A lock with everything that a page needs, in the form of the lock file. Digests are the digests of names.

    Programs for another architecture than amd64 have its name in theirs. Images have the digest of an index.
    """

    def sources(version: str, archive: str | None, groups: list[dict[str, str]]) -> dict[str, Any]:
        return {
            architecture: [source(next(iter(files)), version, archive, files, architecture) for files in groups]
            for architecture in page.architectures
        }

    def source(name: str, version: str, archive: str | None, files: dict[str, str], architecture: str) -> Any:
        name = name if architecture == "amd64" else f"{name}-{architecture}"
        url = f"{{mirror}}/files/{sha256(name)}/{name}-{version}"
        return {"url": url, "sha256": sha256(f"{name} {version}"), "archive": archive, "files": files}

    versions = page.versions
    artifacts = {
        name: {version: sources(version, None, [{name: ""}])}
        for name in KUBERNETES
        for version in (versions.of_kubelet if name in ("kubelet", "kube-proxy") else versions.kubernetes,)
    }
    for name, (field, archive, files) in OTHERS.items():
        version = getattr(versions, field)
        # Without an archive there is one file for each program.
        groups = [files] if archive else [{program: path} for program, path in files.items()]
        artifacts[name] = {version: sources(version, archive, groups)}
    images = {}
    for name, reference in IMAGES.items():
        version = getattr(versions, name.replace("-", "_"))
        images[name] = {version: {"reference": f"{reference}{version}", "digest": _digest(name)}}
    return {"artifacts": artifacts, "images": images}


def _digest(name: str) -> str:
    return f"sha256:{sha256(name)}"


@dataclass(frozen=True)
class Cluster:
    """A cluster, computed from a page without an engine."""

    page: Page
    topology: Topology
    environment: NodeEnvironment
    lock: Lock

    def part(self, node: str) -> NodePart:
        """The parts of a node."""
        return plan_node(self.page, self.topology, self.topology.node(node), self.environment)

    def release(self, node: str, renewed: Iterable[str] = ()) -> Release:
        """The release of a node. `renewed` names changed material, such as `cp-1-apiserver:cert`."""
        part = self.part(node)
        identities = {ref: f"{ref} is {'new' if ref in set(renewed) else 'old'}" for ref in refs(part)}
        return describe(part, self.artifacts(node), identities)

    def artifacts(self, node: str) -> dict[str, Artifact]:
        """The artifacts of a node, for its architecture."""
        architecture = self.topology.node(node).architecture
        return choose_artifacts(self.page, self.lock, self.part(node).artifacts, architecture)

    def payload(self, node: str, mirror: str = "http://mirror", secret: str = "") -> str:
        """The payload for a node. The content of each material is its name and `secret`."""
        part, release = self.part(node), self.release(node)
        return release_payload(
            part, release, self.artifacts(node), {ref: f"{ref}{secret}\n" for ref in refs(part)}, mirror
        )


def cluster(name: str, change: Mapping[str, Any] | None = None, secret: Collection[str] = ()) -> Cluster:
    """The cluster of a page with changed values, by their paths on the page such as `network.proxyMode`.

    `secret` names the top-level keys that the page keeps secret.
    """
    page = load(changed(page_values(name), change or {}), secret)
    if isinstance(page.machines, ExistingSection):
        site = ExistingSite(page, page.machines, None)
        return _made(page, site.topology(page), traits_of(page.machines))
    lab = LABS[name]
    added = [node.name for node in page.nodes if node.address is None and node.name not in lab.hosts]
    hosts = {**lab.hosts, **{node: 100 + index for index, node in enumerate(added)}}
    topology = plan(page, MachineNetwork(page.machines.known_subnet or lab.subnet, hosts), ("127.0.0.1", 7443))
    return _made(page, topology, Traits(name != "dedicated_etcd"))


def cluster_of(page: Page) -> Cluster:
    """The cluster of any page, whoever makes its machines; nodes without an address get one."""
    if isinstance(page.machines, ExistingSection):
        return _made(page, ExistingSite(page, page.machines, None).topology(page), traits_of(page.machines))
    if isinstance(page.machines, AwsSection):
        return _made(page, AwsSite(page, page.machines, "test").topology(page), Traits(container=False))
    given = {node.address for node in page.nodes}
    network = IPv4Network(page.machines.known_subnet or "172.28.0.0/16")
    free = (number for number in range(3, 250) if str(network[number]) not in given)
    hosts = {node.name: next(free) for node in page.nodes if node.address is None}
    topology = plan(page, MachineNetwork(str(network), hosts), ("127.0.0.1", 7443))
    return _made(page, topology, Traits(container=True))


def _made(page: Page, topology: Topology, traits: Traits) -> Cluster:
    lock = Lock(Path("a.lock.json"), lock_data(page))
    local = dict.fromkeys(("docker.io", "registry.k8s.io"), "http://10.89.3.2:5000")
    mirrors = dict(page.artifacts.registry_mirrors) or local
    pause = choose_images(page, lock, "pause")
    environment = NodeEnvironment(pause, mirrors, traits, frozenset(local.values()))
    return Cluster(page, topology, environment, lock)
