"""Fills `upstream.lock.json`: addresses and digests of the release files and images that nodes use.

This needs the internet. The projects publish the digests of files beside the files. The digests of images are computed
from the manifests. An entry with a digest is not looked up again, because published files do not change; check.py
compares all entries.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.architecture import ARCHITECTURES
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.common.store import write_atomically
from tools.from_source import catalogue
from tools.from_upstream import published, signatures
from tools.from_upstream.signatures import Signer

Verify = Callable[[str, str, Signer], None]
"""Verifies the signature of a file: its URL, its SHA-256, and who has to have signed."""


@dataclass(frozen=True)
class Release:
    """The URLs of a project's release file. `{v}` is the version, `{a}` the architecture."""

    url: str
    checksums: str
    """The URL of a file with one digest, or with lines `digest  name`."""
    files: Mapping[str, str]
    """The path of each program in the archive. Empty if the release file is the program."""
    signer: Signer | None = None
    """Who signs each file, if signatures are verified."""


_GITHUB = "https://github.com"
_ETCD = f"{_GITHUB}/etcd-io/etcd/releases/download/v{{v}}"
# The static archive runs with every C library. The other archive of a release needs glibc 2.35 or newer.
_CONTAINERD = f"{_GITHUB}/containerd/containerd/releases/download/v{{v}}/containerd-static-{{v}}-linux-{{a}}.tar.gz"
_RUNC = f"{_GITHUB}/opencontainers/runc/releases/download/v{{v}}"
_CNI = f"{_GITHUB}/containernetworking/plugins/releases/download/v{{v}}/cni-plugins-linux-{{a}}-v{{v}}.tgz"
_CRICTL = f"{_GITHUB}/kubernetes-sigs/cri-tools/releases/download/v{{v}}/crictl-v{{v}}-linux-{{a}}.tar.gz"
_KUBERNETES = "https://dl.k8s.io/release/v{v}/bin/linux/{a}"

RELEASES: dict[str, Release] = {
    **{
        name: Release(f"{_KUBERNETES}/{name}", f"{_KUBERNETES}/{name}.sha256", {name: ""}, signatures.KUBERNETES)
        for name in catalogue.KUBERNETES_PROGRAMS
    },
    "etcd": Release(
        f"{_ETCD}/etcd-v{{v}}-linux-{{a}}.tar.gz",
        f"{_ETCD}/SHA256SUMS",
        {name: f"etcd-v{{v}}-linux-{{a}}/{name}" for name in ("etcd", "etcdctl", "etcdutl")},
    ),
    "containerd": Release(
        _CONTAINERD,
        f"{_CONTAINERD}.sha256sum",
        {name: f"bin/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
    ),
    "runc": Release(f"{_RUNC}/runc.{{a}}", f"{_RUNC}/runc.sha256sum", {"runc": ""}),
    "cni-plugins": Release(
        _CNI, f"{_CNI}.sha256", {name: f"./{name}" for name in ("bridge", "host-local", "loopback", "portmap")}
    ),
    "cni-flannel": Release(_CNI, f"{_CNI}.sha256", {"flannel": "./flannel"}),
    "crictl": Release(_CRICTL, f"{_CRICTL}.sha256", {"crictl": "crictl"}),
}
IMAGES: dict[str, str] = {
    "pause": "registry.k8s.io/pause:{v}",
    "flannel": "ghcr.io/flannel-io/flannel:v{v}",
    "coredns": "docker.io/coredns/coredns:{v}",
    "kube-network-policies": "registry.k8s.io/networking/kube-network-policies:v{v}",
    "agnhost": "registry.k8s.io/e2e-test-images/agnhost:{v}",
}


def refresh(
    path: Path,
    added: Sequence[str] = (),
    releases: Mapping[str, Release] = RELEASES,
    images: Mapping[str, str] = IMAGES,
    verify: Verify | None = signatures.verify,
) -> None:
    """Add versions (`name=version`; `kubernetes` means all its programs) and every missing digest.

    The file changes only if all digests were found, and signatures of the projects that sign fit. `verify` is None if
    nobody looks at signatures. Raises ToolError with the URL that could not be read or verified.
    """
    lock = read(path)
    for text in added:
        for name, version in _parse(text, releases, images):
            add(lock, name, version, releases, images)
    unverified = set()
    for name, version, architecture, source in _lacking(lock):
        release = releases[name]
        checksums = release.checksums.format(v=version, a=architecture)
        source["sha256"] = _published(release, checksums, source["url"], verify)
        if release.signer and not verify:
            unverified.add(name)
    for versions in lock["images"].values():
        for image in versions.values():
            if not image["digest"]:
                image["digest"] = published.image_digest(image["reference"])
                say(f"{image['digest']}  {image['reference']}")
    write_atomically(path, to_text(lock))
    if unverified:
        say(f"signatures were not verified, because SIGNATURES=no was given: {', '.join(sorted(unverified))}")


def _lacking(lock: Mapping[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Files without a digest: name, version, architecture, and the entry."""
    for name, versions in lock["artifacts"].items():
        for version, architectures in versions.items():
            for architecture, sources in architectures.items():
                yield from ((name, version, architecture, source) for source in sources if not source["sha256"])


def _published(release: Release, checksums: str, url: str, verify: Verify | None) -> str:
    """The digest that a project publishes. Raises ToolError, also if a signature does not fit."""
    digest, by = published.file_digest(checksums, url), ""
    if release.signer and verify:
        verify(url, digest, release.signer)
        by = f", signed by {release.signer.identity}"
    say(f"{digest}  {url}{by}")
    return digest


def read(path: Path) -> dict[str, Any]:
    """Read a lock. If there is no file, the lock is empty."""
    return json.loads(path.read_text()) if path.exists() else {"artifacts": {}, "images": {}}


def to_text(lock: Mapping[str, Any]) -> str:
    """The text of a lock file."""
    return json.dumps(lock, indent=2) + "\n"


def add(
    lock: dict[str, Any], name: str, version: str, releases: Mapping[str, Release], images: Mapping[str, str]
) -> None:
    """Add an artifact or an image without digests, if the lock does not contain it."""
    if name in images:
        reference = images[name].format(v=version)
        lock["images"].setdefault(name, {}).setdefault(version, {"reference": reference, "digest": None})
    if name in releases:
        known = lock["artifacts"].setdefault(name, {}).setdefault(version, {})
        for architecture in ARCHITECTURES:
            known.setdefault(architecture, [_source(releases[name], version, architecture)])


def _parse(text: str, releases: Mapping[str, Release], images: Mapping[str, str]) -> list[tuple[str, str]]:
    name, _, version = text.partition("=")
    known = sorted({*releases, *images, "kubernetes"})
    if name not in known or not re.fullmatch(r"\d+(\.\d+)+", version):
        raise ToolError(f"cannot add {text!r}; allowed: name=version, with one of the names {', '.join(known)}")
    return [(each, version) for each in (catalogue.KUBERNETES_PROGRAMS if name == "kubernetes" else (name,))]


def _source(release: Release, version: str, architecture: str) -> dict[str, Any]:
    url = release.url.format(v=version, a=architecture)
    return {
        "url": url,
        "sha256": None,
        "archive": "tar.gz" if url.endswith(("gz", "tgz")) else None,
        "files": {name: path.format(v=version, a=architecture) for name, path in release.files.items()},
    }
