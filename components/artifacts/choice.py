"""Which lock, artifacts and images a page leads to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components.artifacts.lock import UPSTREAM_LOCK, Artifact, Lock, read_lock
from components.config import Page

MIRROR_LOCK = Path(".cache/artifacts.lock.json")
"""Written by `make tools`, relative to the project's folder, where programs run."""

_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")


def choose_lock(page: Page) -> Lock:
    """The lock of the page's artifact source. Raises LockError if it is not there."""
    return read_lock(UPSTREAM_LOCK if page.artifacts.source == "upstream" else MIRROR_LOCK)


def choose_artifacts(page: Page, lock: Lock, names: Iterable[str]) -> dict[str, Artifact]:
    """The named artifacts in the versions of the page. Raises LockError if the lock lacks one."""
    versions = page.versions
    others = {
        "etcd": versions.etcd,
        "containerd": versions.containerd,
        "runc": versions.runc,
        "cni-plugins": versions.cni_plugins,
        "cni-flannel": versions.cni_flannel,
        "crictl": versions.crictl,
    }
    by_name = dict.fromkeys(_KUBERNETES, versions.kubernetes) | others
    return {name: lock.artifact(name, by_name[name]) for name in names}
