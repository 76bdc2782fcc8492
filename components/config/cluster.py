"""`hardway:cluster` and `hardway:versions`: the name of the cluster and the versions of its parts."""

import re
from typing import Annotated

from components.config.names import Domain, label_rule
from components.config.section import Rule, Section

KUBERNETES_MINORS = ("1.34", "1.35", "1.36", "1.37")
_SEMVER = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?")
_TWO_OR_THREE = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){1,2}")


def numbers(version: str) -> tuple[int, ...]:
    """`1.37.1` as (1, 37, 1), to compare; a pre-release part is left out."""
    return tuple(int(part) for part in version.partition("-")[0].split("."))


def _version_rule(least: tuple[int, ...] = (), minors: tuple[str, ...] = (), example: str = "1.37.1") -> Rule:
    allowed = f"MAJOR.MINOR.PATCH without 'v', such as \"{example}\""
    if minors:
        allowed = f"MAJOR.MINOR.PATCH without 'v', with a minor of {', '.join(minors)}"
    if least:
        allowed += f", at least {'.'.join(map(str, least))}"

    def check(value: str) -> str | None:
        if not _SEMVER.fullmatch(value):
            return "is not a version"
        if minors and ".".join(value.split(".")[:2]) not in minors:
            return "is not supported"
        return "is too old" if numbers(value) < least else None

    return Rule("version", allowed, check, quote="YAML reads 3.10 as 3.1; quote it")


_PAUSE = Rule(
    "version",
    'MAJOR.MINOR in quotes, such as "3.10"',
    lambda value: None if _TWO_OR_THREE.fullmatch(value) else "is not a version",
    quote="YAML reads 3.10 as 3.1; quote it",
)


class Cluster(Section):
    """The cluster as a whole."""

    name: Annotated[str, label_rule("cluster name", longest=20)]
    """A label for people, in kubeconfigs and in names of local machines, which limit it to 20 characters. It may
    change, except in AWS, where names and tags of resources contain it."""
    domain: Domain = "cluster.local"
    """DNS domain of services: `kubernetes.default.svc.<domain>`."""
    protect: Annotated[bool, Rule("boolean", "true or false", accepts=(bool,))] = False
    """Whether authorities and irreplaceable keys are protected from `destroy` and from the removal of a line here."""


class Versions(Section):
    """Versions of the parts, each as its project numbers it."""

    kubernetes: Annotated[str, _version_rule(minors=KUBERNETES_MINORS)] = "1.37.1"
    """API server, controller manager, scheduler and kubectl; kubelet and kube-proxy where `kubelet` is unset."""
    kubelet: Annotated[str, _version_rule(minors=KUBERNETES_MINORS)] | None = None
    """kubelet and kube-proxy, if they stay older than the control plane for a while. Unset: as `kubernetes`."""
    # 3.5.8 brought --listen-client-http-urls and --tls-min-version, 3.5.10 `etcdutl snapshot restore --bump-revision`.
    etcd: Annotated[str, _version_rule(least=(3, 5, 10), example="3.7.2")] = "3.7.2"
    """etcd, etcdctl and etcdutl. Older versions than 3.5.10 lack flags that every member and a restore need."""
    # Not 1.x: Kubernetes 1.35 is the last that runs on it, and its configuration has another format (version 2).
    containerd: Annotated[str, _version_rule(least=(2, 0), example="2.4.1")] = "2.4.1"
    """Container runtime on every node with a kubelet."""
    runc: Annotated[str, _version_rule(example="1.5.2")] = "1.5.2"
    """Low-level runtime under containerd."""
    cni_plugins: Annotated[str, _version_rule(example="1.9.1")] = "1.9.1"
    """bridge, host-local, loopback and portmap."""
    cni_flannel: Annotated[str, _version_rule(example="0.9.1")] = "0.9.1"
    """CNI plugin `flannel`, with the version of a release of containernetworking/plugins that still contained it."""
    crictl: Annotated[str, _version_rule(example="1.36.0")] = "1.36.0"
    """Client for the runtime, for people on the node."""
    flannel: Annotated[str, _version_rule(example="0.28.9")] = "0.28.9"
    """flanneld, as an image."""
    kube_network_policies: Annotated[str, _version_rule(example="0.8.0")] = "0.8.0"
    """kube-network-policies, as an image. Only with `network.policies: enforced`."""
    coredns: Annotated[str, _version_rule(example="1.14.7")] = "1.14.7"
    """CoreDNS, as an image."""
    pause: Annotated[str, _PAUSE] = "3.10"
    """Image of the sandbox container. In quotes: YAML reads 3.10 as 3.1."""

    @property
    def of_kubelet(self) -> str:
        """The version of kubelet and kube-proxy."""
        return self.kubelet or self.kubernetes
