"""Fills `upstream.lock.json`: where the projects publish what the nodes run, and its digests.

Needs the internet. Digests of files are those that the projects publish beside them; digests of images are computed
from the manifests. An entry that has its digest is never looked up again: published files do not change.
"""

import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import catalogue
from tools.errors import ToolError
from tools.progress import say
from tools.store import write_atomically

# Nodes are amd64 machines so far.
ARCHITECTURES = ("amd64",)
_TIMEOUT_SECONDS = 30.0
_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


@dataclass(frozen=True)
class Release:
    """How a project names its downloads; `{v}` is the version, `{a}` the architecture."""

    url: str
    checksums: str
    """A file with one digest, or with lines `digest  name`."""
    files: Mapping[str, str]
    """Program to path in the archive; empty: the download is the program."""


_GITHUB = "https://github.com"
_ETCD = f"{_GITHUB}/etcd-io/etcd/releases/download/v{{v}}"
_CONTAINERD = f"{_GITHUB}/containerd/containerd/releases/download/v{{v}}/containerd-{{v}}-linux-{{a}}.tar.gz"
_RUNC = f"{_GITHUB}/opencontainers/runc/releases/download/v{{v}}"
_CNI = f"{_GITHUB}/containernetworking/plugins/releases/download/v{{v}}/cni-plugins-linux-{{a}}-v{{v}}.tgz"
_CRICTL = f"{_GITHUB}/kubernetes-sigs/cri-tools/releases/download/v{{v}}/crictl-v{{v}}-linux-{{a}}.tar.gz"
_KUBERNETES = "https://dl.k8s.io/release/v{v}/bin/linux/{a}"

RELEASES: dict[str, Release] = {
    **{
        name: Release(f"{_KUBERNETES}/{name}", f"{_KUBERNETES}/{name}.sha256", {name: ""})
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
    "agnhost": "registry.k8s.io/e2e-test-images/agnhost:{v}",
}


def refresh(
    path: Path,
    added: Sequence[str] = (),
    releases: Mapping[str, Release] = RELEASES,
    images: Mapping[str, str] = IMAGES,
) -> None:
    """Add versions (`name=version`; `kubernetes` stands for its programs) and fill every digest that is missing.

    The file changes only when all digests were found. Raises ToolError naming what could not be read.
    """
    lock = read(path)
    for text in added:
        for name, version in _parse(text, releases, images):
            add(lock, name, version, releases, images)
    for name, versions in lock["artifacts"].items():
        for version, architectures in versions.items():
            for architecture, sources in architectures.items():
                for source in sources:
                    if not source["sha256"]:
                        checksums = releases[name].checksums.format(v=version, a=architecture)
                        source["sha256"] = _published(checksums, source["url"])
                        say(f"{source['sha256']}  {source['url']}")
    for versions in lock["images"].values():
        for image in versions.values():
            if not image["digest"]:
                image["digest"] = image_digest(image["reference"])
                say(f"{image['digest']}  {image['reference']}")
    write_atomically(path, to_text(lock))


def read(path: Path) -> dict[str, Any]:
    """Read a lock, an empty one where there is no file."""
    return json.loads(path.read_text()) if path.exists() else {"artifacts": {}, "images": {}}


def to_text(lock: Mapping[str, Any]) -> str:
    """Give the text of a lock file."""
    return json.dumps(lock, indent=2) + "\n"


def add(
    lock: dict[str, Any], name: str, version: str, releases: Mapping[str, Release], images: Mapping[str, str]
) -> None:
    """Add one artifact or image without digests, unless the lock has it."""
    if name in images:
        reference = images[name].format(v=version)
        lock["images"].setdefault(name, {}).setdefault(version, {"reference": reference, "digest": None})
    if name in releases:
        sources = {architecture: [_source(releases[name], version, architecture)] for architecture in ARCHITECTURES}
        lock["artifacts"].setdefault(name, {}).setdefault(version, sources)


def image_digest(reference: str) -> str:
    """Ask a registry for an image's manifest; return its digest, `sha256:<hex>`."""
    name, _, tag = reference.rpartition(":")
    host, _, repository = name.partition("/")
    scheme = "http" if host.startswith("127.0.0.1:") else "https"
    url = f"{scheme}://{'registry-1.docker.io' if host == 'docker.io' else host}/v2/{repository}/manifests/{tag}"
    headers = {"Accept": _MANIFESTS}
    try:
        body = _get(url, headers)
    except urllib.error.HTTPError as refusal:
        # Public registries want a token even from anonymous readers.
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', refusal.headers.get("WWW-Authenticate", "")))
        if refusal.code != 401 or "realm" not in challenge:
            raise _unreadable(url, refusal) from None
        query = f"service={challenge.get('service', '')}&scope=repository:{repository}:pull"
        token = json.loads(_read(f"{challenge['realm']}?{query}", {}))
        body = _read(url, headers | {"Authorization": f"Bearer {token.get('token') or token['access_token']}"})
    except OSError as error:
        raise _unreadable(url, error) from None
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _parse(text: str, releases: Mapping[str, Release], images: Mapping[str, str]) -> list[tuple[str, str]]:
    name, _, version = text.partition("=")
    known = sorted({*releases, *images, "kubernetes"})
    if name not in known or not re.fullmatch(r"\d+(\.\d+)+", version):
        raise ToolError(f"cannot add {text!r}; give name=version with a name of: {', '.join(known)}")
    return [(each, version) for each in (catalogue.KUBERNETES_PROGRAMS if name == "kubernetes" else (name,))]


def _source(release: Release, version: str, architecture: str) -> dict[str, Any]:
    url = release.url.format(v=version, a=architecture)
    return {
        "url": url,
        "sha256": None,
        "archive": "tar.gz" if url.endswith(("gz", "tgz")) else None,
        "files": {name: path.format(v=version, a=architecture) for name, path in release.files.items()},
    }


def _published(checksums: str, url: str) -> str:
    """Find the digest of a download in the file of digests that its project publishes."""
    name = url.rpartition("/")[2]
    lines = [line.split() for line in _read(checksums, {}).decode(errors="replace").splitlines() if line.strip()]
    named = [line[0] for line in lines if len(line) > 1 and line[-1].lstrip("*").rpartition("/")[2] == name]
    alone = [line[0] for line in lines if len(lines) == 1 and len(line) == 1]
    found = [digest.lower() for digest in named + alone if re.fullmatch(r"[0-9a-fA-F]{64}", digest)]
    if not found:
        raise ToolError(f"{checksums} has no SHA-256 of {name}")
    return found[0]


def _read(url: str, headers: Mapping[str, str]) -> bytes:
    try:
        return _get(url, headers)
    except OSError as error:
        raise _unreadable(url, error) from None


def _get(url: str, headers: Mapping[str, str]) -> bytes:
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - https, or a test's own server
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
        return answer.read()


def _unreadable(url: str, error: OSError) -> ToolError:
    return ToolError(f"cannot read {url} ({error}): run `make lock` on a machine that reaches the internet")
