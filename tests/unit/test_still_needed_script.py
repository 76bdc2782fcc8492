"""A machine refuses a release that stops trusting a generation which something still needs.

The check looks at etcd, at the kubelet's certificate and at tokens, because the record of an earlier `up` may be wrong.
"""

import subprocess
from pathlib import Path

import pytest
from authorities import CLIENTS_ONLY, intermediate, make, pem, root
from scratch_machine import ScratchMachine
from test_kubelet_renew_script import token_of

UNIT = """\
ExecStart=/opt/kubernetes/bin/kube-apiserver \\
  --etcd-cafile=/opt/kubernetes/ssl/kube-apiserver/etcd-ca.pem \\
  --etcd-servers=https://127.0.0.1:12379 \\
  --profiling=false
"""
POD = "var/lib/kubelet/pods/uid/volumes/kubernetes.io~projected/api/..data-1"


class Node:
    """A control-plane node with two generations of each key, the second in use, and a release without the first."""

    def __init__(self, folder: Path) -> None:
        self.machine = ScratchMachine(folder)
        self.before, self.next = (self._release(name) for name in ("before", "next"))
        (self.machine.root / "current").symlink_to("releases/before")
        (self.before / "units").mkdir()
        (self.before / "units/kube-apiserver.service").write_text(UNIT)
        self.pki = self.machine.sysroot / "var/lib/kubelet/pki"
        self.pki.mkdir(parents=True)
        self.pod = self.machine.sysroot / POD
        self.pod.mkdir(parents=True)
        self.machine.program("sleep")
        self.etcd_has("key2")

    def _release(self, name: str) -> Path:
        release = self.machine.root / "releases" / name
        for folder in ("cfg", "ssl/kubelet", "bin"):
            (release / folder).mkdir(parents=True)
        return release

    def gives_up(self, key: str) -> None:
        """Let the next release trust only the second generation of a key."""
        (self.before / "cfg/generations").write_text(f"{key} 2 1 2\n")
        (self.next / "cfg/generations").write_text(f"{key} 2 2\n")
        (self.before / "ssl/kubelet/service-account-key-ids").write_text("key-two\nkey-one\n")
        (self.next / "ssl/kubelet/service-account-key-ids").write_text("key-two\n")

    def etcd_has(self, *keys: str) -> None:
        """Let etcd answer with one Secret for each of the encryption keys."""
        values = self.machine.folder / "values"
        values.write_bytes(b"".join(f"k8s:enc:secretbox:v1:{key}:".encode() + b"\x00\xff\n\x80\n" for key in keys))
        self.machine.program("etcdctl", f"cat {values}\n", at=self.before / "bin")

    def authority(self, name: str, *, days: int = 1) -> Path:
        """Make an authority, and give the kubelet a certificate that the authority signed."""
        at = self.machine.folder / name
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        ca = [*new, "-subj", f"/CN={name}", "-days", "9", "-keyout", f"{at}.key", "-out", f"{at}.pem"]
        signed = ["-CA", f"{at}.pem", "-CAkey", f"{at}.key", "-addext", "extendedKeyUsage=clientAuth"]
        out = ["-keyout", f"{at}-leaf.key", "-out", str(self.pki / "kubelet-client-current.pem")]
        for command in (ca, [*new, "-subj", "/CN=node", "-days", str(days), *signed, *out]):
            subprocess.run(command, check=True, capture_output=True, timeout=30)
        return at.with_suffix(".pem")

    def stage(self, **extra: str) -> subprocess.CompletedProcess[str]:
        names = ["generations", "tokens", "still_needed"]
        around = 'set -eu; sysroot=$HARDWAY_SYSROOT root=$HARDWAY_ROOT; say() { echo "$*"; }; '
        around += 'fail() { echo "$*" >&2; exit 1; }\n'
        return self.machine.call(names, f"{around}refuse_needed {self.before} {self.next}", **extra)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def accepted(done: subprocess.CompletedProcess[str]) -> bool:
    assert done.returncode == 0, done.stderr
    return done.stderr == ""


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stderr.endswith("Nothing was changed\n")
    return done.stderr


# --- Secrets -------------------------------------------------------------------------------------------------------


def test_secrets_of_the_key_in_use_need_no_other_key(node: Node) -> None:
    node.gives_up("encryption")
    assert accepted(node.stage())
    (call,) = node.machine.calls
    assert "--endpoints https://127.0.0.1:12379" in call
    assert "get /registry/secrets/ --prefix" in call


def test_secrets_of_a_key_that_goes_are_counted(node: Node) -> None:
    node.gives_up("encryption")
    node.etcd_has("key2", "key1", "key12", "key1")
    assert (
        "2 Secrets in etcd need generation 1 of the key encryption: run `up` with a page that trusts generation 1"
        in (refused(node.stage()))
    )
    assert not list((node.machine.sysroot / "run").glob("hardway-secrets-*"))


def test_without_an_answer_of_etcd_nothing_goes(node: Node) -> None:
    node.gives_up("encryption")
    node.machine.program("etcdctl", "exit 1\n", at=node.before / "bin")
    assert "etcd does not say which Secrets need generation 1" in refused(node.stage())


def test_another_prefix_in_etcd(node: Node) -> None:
    node.gives_up("encryption")
    unit = node.before / "units/kube-apiserver.service"
    unit.write_text(UNIT.replace("  --etcd-servers", "  --etcd-prefix=/other \\\n  --etcd-servers"))
    assert accepted(node.stage())
    assert "get /other/secrets/ --prefix" in node.machine.calls[0]


def test_nothing_is_asked_where_nothing_is_given_up(node: Node) -> None:
    node.gives_up("encryption")
    (node.next / "cfg/generations").write_text("encryption 2 1 2\n")
    assert accepted(node.stage())
    # The node loses the role that has the key.
    (node.next / "cfg/generations").write_text("kubernetes 2 1 2\n")
    assert accepted(node.stage())
    assert node.machine.calls == []


# --- the kubelet's certificate -------------------------------------------------------------------------------------


def test_a_certificate_of_the_authority_that_stays(node: Node) -> None:
    node.gives_up("kubernetes")
    (node.next / "ssl/kubernetes-ca.pem").write_text(node.authority("two").read_text())
    assert accepted(node.stage())


def test_a_certificate_of_the_authority_that_goes(node: Node) -> None:
    node.gives_up("kubernetes")
    stays = node.authority("two")
    node.authority("one")
    (node.next / "ssl/kubernetes-ca.pem").write_text(stays.read_text())
    assert "the certificate of the kubelet on this machine needs generation 1" in refused(node.stage())


def test_a_certificate_of_an_intermediate_authority(node: Node) -> None:
    """A release has authorities without their root. What the operating system trusts does not count."""
    node.gives_up("kubernetes")
    leaf = make("O=system:nodes,CN=node", intermediate(), authority=False, signs=False, more=[CLIENTS_ONLY])
    (node.pki / "kubelet-client-current.pem").write_text(pem(leaf.certificate))
    bundle = node.next / "ssl/kubernetes-ca.pem"
    bundle.write_text(pem(intermediate().certificate))
    assert accepted(node.stage())
    bundle.write_text(pem(intermediate("O=Org,CN=another").certificate))
    known = node.machine.folder / "known"
    known.mkdir()
    for name, made in {"one": intermediate(), "root": root()}.items():
        (known / f"{name}.pem").write_text(pem(made.certificate))
    subprocess.run(["openssl", "rehash", str(known)], check=True, capture_output=True, timeout=30)
    done = node.stage(SSL_CERT_DIR=str(known))
    assert "the certificate of the kubelet on this machine needs generation 1" in refused(done)


def test_without_a_certificate_the_kubelet_asks_for_a_new_one(node: Node) -> None:
    node.gives_up("kubernetes")
    (node.next / "ssl/kubernetes-ca.pem").touch()
    assert accepted(node.stage())


# --- tokens --------------------------------------------------------------------------------------------------------


def test_tokens_of_the_key_that_stays_are_given_time(node: Node) -> None:
    """A program may still use the token that it read before the kubelet renewed the file."""
    node.gives_up("service-account")
    (node.pod / "token").write_text(token_of("key-two"))
    assert accepted(node.stage())
    assert node.machine.calls == ["sleep 70"]


def test_tokens_that_were_renewed_long_ago_need_no_wait(node: Node) -> None:
    node.gives_up("service-account")
    token = node.pod / "token"
    token.write_text(token_of("key-two"))
    subprocess.run(["touch", "-d", "2 minutes ago", str(token)], check=True, timeout=10)
    assert accepted(node.stage())
    assert node.machine.calls == []


def test_a_token_of_the_key_that_goes(node: Node) -> None:
    node.gives_up("service-account")
    (node.pod / "token").write_text(token_of("key-one"))
    assert "tokens of pods on this machine need generation 1 of the key service-account" in refused(node.stage())


def test_a_node_without_pods(node: Node) -> None:
    node.gives_up("service-account")
    assert accepted(node.stage())
