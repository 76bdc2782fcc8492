"""Programs of a node, started with the files that a page renders, as far as the check of their own settings.

No program of Kubernetes has a mode that only checks. But each collects everything that is wrong with its settings
before it ends. So each gets one more setting that is always wrong, its *stop*: a program that names its stop alone
accepts all other settings, and has done nothing yet.
"""

from __future__ import annotations

import atexit
import functools
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from api_server import program
from authorities import make
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from network_configs import keepalived_complaints, nft_complaints
from signing_service import free_port

from components.architecture import of_this_machine
from components.node.model import ROOT, NodePart, Ref
from components.pki.encryption import encryption_config
from components.pki.names import ENCRYPTION_CONFIG
from tools.common.paths import shared_cache
from tools.common.store import Store
from tools.from_source import catalogue, node_image
from tools.from_source.images import LIBRARIES, LOADERS

SECONDS = 30
_CREDENTIAL = re.compile(r"^LoadCredential=([^:]+):(.*)$", re.M)
_EXEC = re.compile(r"^ExecStart=((?:.*\\\n)*.*)$", re.M)


@functools.cache
def material() -> dict[str, str]:
    """A text for each kind of material: all certificates are the same one, which signs itself."""
    made = make("CN=test")
    public = made.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return {
        "cert": made.chain,
        "path": made.chain,
        "signing-cert": made.chain,
        "key": made.private,
        "pub": public,
        ENCRYPTION_CONFIG: encryption_config([(1, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")]),
    }


@dataclass(frozen=True)
class Node:
    """The files of a node in a folder, under the paths that they have on a machine."""

    part: NodePart
    folder: Path
    kubernetes: str = catalogue.KUBERNETES_DEFAULT
    kubelet: str = catalogue.KUBERNETES_DEFAULT

    def write(self) -> Node:
        """Write the files, and what the machine itself would write."""
        for file in self.part.files:
            path = self.folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            text = self._text(file.content).replace("@RESERVED_CPU@", "100")
            path.write_text(self._placed(re.sub(r"@RESERVED_MEMORY\+(\d+)@", r"\1", text)))
        (self.folder / "cfg/kubelet.d").mkdir(parents=True, exist_ok=True)
        (self.folder / "log/kube-apiserver").mkdir(parents=True, exist_ok=True)
        return self

    def command(self, unit: str) -> list[str]:
        """The words after the program in the ExecStart of a unit, as systemd would pass them.

        A credential of the unit is the file that systemd would copy.
        """
        (text,) = [one.text for one in self.part.units if one.name == f"{unit}.service"]
        for name, path in _CREDENTIAL.findall(text):
            text = text.replace(f"/run/credentials/{unit}.service/{name}", path)
        found = _EXEC.search(text)
        assert found, unit
        # systemd's own rules for quotes are those of a shell, as far as `quote` uses them.
        words = shlex.split(found[1].replace("\\\n", " "))[1:]
        return [self._placed(word.replace("%%", "%").replace("$$", "$")) for word in words]

    def has(self, unit: str) -> bool:
        """Whether the node has a unit."""
        return any(one.name == f"{unit}.service" for one in self.part.units)

    def _text(self, content: str | Ref) -> str:
        if isinstance(content, str):
            return content
        known = material()
        return known.get(content.name, known.get(content.name.rpartition(":")[2], f"{content.name}\n"))

    def _placed(self, text: str) -> str:
        return text.replace(ROOT, str(self.folder)).replace("/var/lib/kubelet", str(self.folder / "kubelet"))


def complaints(node: Node, *only: str) -> Iterator[str]:
    """What the programs of a node, or some of them, say about their settings: nothing if they accept them.

    Skips the test if one of them has not been built.
    """
    checks = {
        **{name: functools.partial(_kubernetes, name=name) for name in STOPS},
        "etcd": _etcd,
        "kubelet": _kubelet,
        "kube-proxy": _kube_proxy,
        "containerd": _containerd,
        "haproxy": _haproxy,
        "keepalived": lambda node: keepalived_complaints(node.folder),
        "nft": lambda node: nft_complaints(node.folder),
    }
    for name in only or checks:
        yield from checks[name](node)


STOPS = {
    "kube-apiserver": (["--min-request-timeout=-1"], "--min-request-timeout can not be negative value"),
    "kube-controller-manager": (
        ["--leader-elect-resource-lock=none"],
        r"resourceLock value must be \"leases\"",
    ),
    # The scheduler makes its lock after it has checked its settings.
    "kube-scheduler": (
        ["--leader-elect-resource-lock=none"],
        "couldn't create resource lock: Invalid lock-type none",
    ),
}


def _kubernetes(node: Node, name: str) -> Iterator[str]:
    stop, said = STOPS[name]
    if node.has(name):
        # The scheduler opens its port before; a host may have a scheduler of its own.
        port = [f"--secure-port={free_port()}"] if name == "kube-scheduler" else []
        yield from _ended(name, program(name, node.kubernetes), [*node.command(name), *port, *stop], said, node.folder)


def _etcd(node: Node) -> Iterator[str]:
    """The check of etcd: it reads its settings, then looks at its data; a file in the place of the data is its stop."""
    if node.has("etcd"):
        (node.folder / "data").write_text("")
        stop = f"--data-dir={node.folder / 'data'}"
        yield from _ended(
            "etcd", program("etcd"), [*node.command("etcd"), stop], "failed to list data directory", node.folder
        )


def _kubelet(node: Node) -> Iterator[str]:
    """The stop is a field in a drop-in. The machine of the test may have cgroups of version 1."""
    if node.has("kubelet"):
        head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
        stop = f"{head}nodeStatusMaxImages: -2\nfailCgroupV1: false\n"
        (node.folder / "cfg/kubelet.d/99-stop.conf").write_text(stop)
        said = "invalid configuration: nodeStatusMaxImages (--node-status-max-images) -2 must be -1 or greater"
        yield from _ended("kubelet", program("kubelet", node.kubelet), node.command("kubelet"), said, node.folder)


def _kube_proxy(node: Node) -> Iterator[str]:
    """The check of kube-proxy: it can write its configuration to a file after it has checked it, and then ends."""
    if node.has("kube-proxy"):
        written = node.folder / "kube-proxy.written"
        words = [*node.command("kube-proxy"), f"--write-config-to={written}"]
        done = _run([str(program("kube-proxy", node.kubelet)), *words], node.folder)
        # kube-proxy leaves out fields that it does not know, and only logs that.
        lenient = "Using lenient decoding" in done.stdout
        if done.returncode != 0 or lenient or not written.is_file():
            yield f"kube-proxy: {_last(done.stdout)}"


def _containerd(node: Node) -> Iterator[str]:
    if node.has("containerd"):
        config = node.folder / "cfg/containerd.toml"
        config.write_text(config.read_text().replace("@SYSTEMD_CGROUP@", "false"))
        done = _run([str(program("containerd")), "--config", str(config), "config", "dump"], node.folder)
        if done.returncode != 0:
            yield f"containerd: {_last(done.stdout)}"


def _haproxy(node: Node) -> Iterator[str]:
    """The mode of haproxy that only checks. Its user is one of the machine."""
    for path in sorted(node.folder.glob("cfg/*haproxy*.cfg")):
        config = re.sub(r"(?m)^ +(user|group) haproxy\n", "", path.read_text())
        path.write_text(config)
        if (line := haproxy()) is not None:
            done = _run([*line, "-c", "-q", "-f", str(path)], node.folder)
            if done.returncode != 0:
                yield f"{path.name}: {_last(done.stdout)}"


def _ended(name: str, path: Path, words: list[str], said: str, folder: Path) -> Iterator[str]:
    """What a program says besides its stop."""
    done = _run([str(path), *words], folder)
    text = next((line for line in reversed(done.stdout.splitlines()) if said in line), "")
    # Several errors are one line: "[first, second]".
    if done.returncode == 0 or not text or f"[{said}" in text or f", {said}" in text:
        yield f"{name}: {text or _last(done.stdout)}"


def _last(text: str) -> str:
    return "\n".join(text.splitlines()[-3:])


def _run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=SECONDS, cwd=folder
    )


@functools.cache
def haproxy() -> list[str] | None:
    """The command line of haproxy, on PATH or in the image of local machines; None if there is none."""
    if found := shutil.which("haproxy", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"):
        return [found]
    tar = Store(shared_cache() / "store").path("machine", node_image.digest()) / node_image.TAR
    if not tar.is_file():
        return None
    folder = Path(tempfile.mkdtemp(prefix="haproxy-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    libraries = LIBRARIES[of_this_machine()]
    subprocess.run(["tar", "-xf", str(tar), "-C", str(folder), "./usr/sbin/haproxy", f"./{libraries}"], check=True)
    loader = folder / libraries / Path(LOADERS[of_this_machine()]).name
    return [str(loader), "--library-path", str(folder / libraries), str(folder / "usr/sbin/haproxy")]
