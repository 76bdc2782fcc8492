"""Which lock, artifacts and images a page leads to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components.artifacts.lock import UPSTREAM_LOCK, Artifact, Lock, read_lock
from components.config import Page

MIRROR_LOCK = Path(".cache/artifacts.lock.json")
"""Written by `make tools`, relative to the project's folder, where programs run."""

_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
_OF_NODES = ("kubelet", "kube-proxy")


def choose_lock(page: Page) -> Lock:
    """The lock of the page's artifact source. Raises LockError if it, or something that the page needs, is missing."""
    lock = read_lock(UPSTREAM_LOCK if page.artifacts.source == "upstream" else MIRROR_LOCK)
    choose_artifacts(page, lock, artifact_versions(page))
    for image, version in image_versions(page).items():
        lock.image(image, version)
    return lock


def choose_artifacts(page: Page, lock: Lock, names: Iterable[str]) -> dict[str, Artifact]:
    """The named artifacts in the versions of the page. Raises LockError if the lock lacks one."""
    versions = artifact_versions(page)
    return {name: lock.artifact(name, versions[name]) for name in names}


def choose_image(page: Page, lock: Lock, name: str) -> str:
    """The pinned reference of an image in the version of the page. Raises LockError if the lock lacks it."""
    return lock.image(name, image_versions(page)[name])


def artifact_versions(page: Page) -> dict[str, str]:
    """The version of each artifact that a cluster has on some node."""
    versions = page.versions
    return {
        **dict.fromkeys(_KUBERNETES, versions.kubernetes),
        **dict.fromkeys(_OF_NODES, versions.of_kubelet),
        "etcd": versions.etcd,
        "containerd": versions.containerd,
        "runc": versions.runc,
        "cni-plugins": versions.cni_plugins,
        "cni-flannel": versions.cni_flannel,
        "crictl": versions.crictl,
    }


def image_versions(page: Page) -> dict[str, str]:
    """The version of each image that hardway itself has pulled."""
    return {"pause": page.versions.pause, "flannel": page.versions.flannel, "coredns": page.versions.coredns}
