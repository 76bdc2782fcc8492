"""A connected user: lock, downloads, a cluster. Nothing is compiled, and nothing leaves this machine."""

import json
import subprocess
from pathlib import Path

from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask
from tests.e2e.upstream.conftest import NAME, Connected
from tests.e2e.upstream.publishers import KUBERNETES
from tests.publisher import Answer


def _kubectl(user: Connected, *arguments: str) -> str:
    command = [str(user.stack.clone.bin / "kubectl"), f"--kubeconfig={user.stack.kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_lock_gets_what_is_published(user: Connected) -> None:
    """`make lock`: digests from checksum files and manifests, through redirects and with tokens.

    The stand-ins sign nothing: tests/integration/test_from_upstream_signatures.py has the signatures.
    """
    run = user.make("lock", SIGNATURES="no")
    assert run.code == 0, run.tail()
    lock = json.loads(user.lock.read_text())
    sources = [s for v in lock["artifacts"].values() for a in v.values() for found in a.values() for s in found]
    assert len(sources) >= 12 and all(source["sha256"] for source in sources)
    assert all(image["digest"] for versions in lock["images"].values() for image in versions.values())
    assert not any(path.startswith("/asset/") for path in user.asked), "no release file is read for its digest"


def test_a_flipped_byte_ends_the_run(user: Connected) -> None:
    """One byte of runc is wrong: both digests are named, and no machine is made."""
    right = user.publishers.offer("runc", b"")
    user.publishers.offer("runc", bytes([right[0] ^ 1]) + right[1:])
    # Others are cut, or busy once.
    kubelet = user.publishers.offer("kubelet", b"")
    user.publishers.offer("kubelet", Answer(kubelet, cut=1_000_000), Answer(kubelet))
    crictl = user.publishers.offer("crictl", b"")
    user.publishers.offer("crictl", Answer(status=503), Answer(crictl))
    run = user.make("up")
    assert run.code != 0
    assert "release files of upstream, because `pulumi` is on PATH, the lock is complete" in run.output, run.tail()
    assert (
        "/runc.amd64, which leads to https://release-assets.githubusercontent.com/asset/runc.amd64, has" in run.output
    )
    assert "signature" not in run.output, "the query of an asset is a credential"
    assert not user.stack.kubeconfig.exists()
    user.publishers.offer("runc", right)


def test_a_cluster_from_release_files(user: Connected) -> None:
    """The next run goes on, and makes a cluster. There is no Go on PATH."""
    run = user.make("up")
    assert run.code == 0, run.tail()
    assert any(path.endswith(" bytes=1000000-") for path in user.asked if "?kubelet=" in path)
    assert sum("?crictl=" in path for path in user.asked) == 2
    assert not (user.cache / "log" / "kubelet-1.37.1.log").exists(), "a log of a compiler"
    assert not (user.stack.clone.cache / "artifacts.lock.json").exists(), "a lock of built programs"
    versions = _kubectl(user, "get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}")
    assert versions.split() == [f"v{KUBERNETES}"] * 2
    assert user.make("outputs", "artifactSource").output.splitlines()[-1] == "upstream"


def test_the_files_are_in_the_mirror_once(user: Connected) -> None:
    """Every release file that a node has is a file of the mirror, by its digest."""
    lock = json.loads(user.lock.read_text())
    for name, found in lock["artifacts"].items():
        (versions,) = found.values()
        (source,) = versions["amd64"]
        path = user.cache / "mirror" / "files" / source["sha256"] / Path(source["url"]).name
        assert path.is_file(), name
    whole = [path for path in user.asked if path.startswith("/asset/") and "bytes=" not in path]
    assert len(whole) == len(set(whole)) + 2, "runc and crictl twice, the rest once; nodes asked nobody"


def test_a_deployment_opens_by_its_node_port(user: Connected) -> None:
    """What README.md says to do next."""
    image = "registry.k8s.io/e2e-test-images/agnhost:2.66.1"
    _kubectl(user, "create", "deployment", "hello", f"--image={image}", "--", "/agnhost", "netexec", "--http-port=8080")
    _kubectl(user, "create", "service", "nodeport", "hello", "--tcp=8080", "--node-port=8888")
    _kubectl(user, "rollout", "status", "deployment/hello", "--timeout=120s")
    address = _kubectl(user, "get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}")
    curl = ["curl", "-fsS", "--noproxy", "*", "--retry", "10", "--retry-all-errors", "--retry-delay", "1"]
    engine = tuple(json.loads((user.stack.clone.cache / "local.json").read_text())["engine"])
    worker = Machine("worker-1", "", f"{user.stack.lab.name}-worker-1", engine)
    assert ask(worker.in_network([*curl, f"http://{address}:8888/hostname"])).ok().startswith("hello-")


def test_another_run_needs_nobody(user: Connected) -> None:
    """The state has the choice, and the mirror has the files: all publishers are silent, and nothing changes."""
    before = len(user.asked)
    (user.stack.clone.cache / "artifact-source" / NAME).unlink()
    dead = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:1")
    run = user.make("up", **dead)
    assert run.code == 0, run.tail()
    assert "release files of upstream, because the last `up` of this stack used them" in run.output
    assert " unchanged" in run.output and " created" not in run.output
    assert len(user.asked) == before


def test_without_pulumi_a_sentence(user: Connected) -> None:
    """Somebody without an official Pulumi is told how to get it."""
    run = user.make("up", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    assert run.code != 0
    assert "there is no official `pulumi` on PATH: install `pulumi` 3.200 or newer" in run.output, run.tail()
