"""The lock, artifacts and images of a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from components.artifacts.lock import UPSTREAM_LOCK, Artifact, Lock, MissingError, all_missing, read_lock
from components.config import Page
from components.config.network import POLICY_ENGINE

MIRROR_LOCK = Path(".cache/artifacts.lock.json")
"""Written by `make tools`, relative to the project's folder, where programs run."""

_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
_OF_NODES = ("kubelet", "kube-proxy")


def choose_lock(page: Page) -> Lock:
    """The lock of the page's artifact source. Raises LockError if it, or something that the page needs, is missing."""
    if page.artifacts.source != "upstream":
        return checked_lock(page, read_lock(MIRROR_LOCK))
    mirrored = page.machines.serves_mirror or page.artifacts.mirror is not None
    return replace(checked_lock(page, read_lock(UPSTREAM_LOCK)), mirrored=mirrored)


def checked_lock(page: Page, lock: Lock) -> Lock:
    """The lock, if it has everything that the page needs. Raises LockError."""
    missing = []
    for get, versions in ((lock.artifact, artifact_versions(page)), (lock.image, image_versions(page))):
        for name, version in versions.items():
            try:
                get(name, version)
            except MissingError as error:
                missing.append(error)
    if missing:
        raise all_missing(missing)
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
        "crictl": versions.crictl,
        **page.network.plugin.artifacts(versions),
    }


def image_versions(page: Page) -> dict[str, str]:
    """The version of each image that hardway uses."""
    versions = page.versions
    images = {"pause": versions.pause, "coredns": versions.coredns, **page.network.plugin.images(versions)}
    return images | ({POLICY_ENGINE: versions.kube_network_policies} if page.network.enforces_policies else {})
