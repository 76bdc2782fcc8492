"""The lock, artifacts and images of a page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from components.artifacts.lock import UPSTREAM_LOCK, Artifact, Lock, LockError, MissingError, all_missing, read_lock
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
    """The lock, if it has everything that the page needs, for the architecture of every node. Raises LockError."""
    if not lock.upstream and lock.architectures and (problem := not_built(page, lock.architectures)):
        raise LockError(f"{lock.path}: {problem}")
    missing: dict[str, MissingError] = {}
    for architecture in page.architectures:
        for get, versions in ((lock.artifact, artifact_versions(page)), (lock.image, image_versions(page))):
            for name, version in versions.items():
                try:
                    get(name, version, architecture)
                except MissingError as error:
                    missing.setdefault(error.problem, error)
    if missing:
        raise all_missing(list(missing.values()))
    choose_image(page, lock, "coredns")
    return lock


def not_built(page: Page, built: Collection[str]) -> str | None:
    """Why a page cannot use programs that are built for these architectures. None if the page can."""
    nodes = {node.name: page.architecture_of(node) for node in page.nodes}
    others = [f"{name} is {architecture}" for name, architecture in nodes.items() if architecture not in built]
    if not others:
        return None
    return (
        f"programs are built for the architecture of the machine that builds them ({', '.join(built) or 'none'}), and "
        f"{' and '.join(others)}; set hardway:artifacts.source to upstream: release files exist for every architecture"
    )


def choose_artifacts(page: Page, lock: Lock, names: Iterable[str], architecture: str) -> dict[str, Artifact]:
    """The named artifacts in the versions of the page. Raises LockError if the lock lacks one."""
    versions = artifact_versions(page)
    return {name: lock.artifact(name, versions[name], architecture) for name in names}


def choose_image(page: Page, lock: Lock, name: str) -> str:
    """The pinned reference of an image that any node may run. Raises LockError if the lock lacks it."""
    found = choose_images(page, lock, name)
    if len(set(found.values())) > 1:
        version = image_versions(page)[name]
        raise LockError(
            f"{lock.path}: the image {name} {version} has a digest for each of {', '.join(found)}, and its pods may "
            "run on nodes of all of them; replace its digests by null and run `make lock` on a machine that reaches "
            "the internet: that finds the digest of the index"
        )
    return next(iter(found.values()))


def choose_images(page: Page, lock: Lock, name: str) -> Mapping[str, str]:
    """The pinned reference of an image for each architecture of the page. Raises LockError if the lock lacks one."""
    version = image_versions(page)[name]
    return {architecture: lock.image(name, version, architecture) for architecture in page.architectures}


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
