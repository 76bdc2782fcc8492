"""grant.sh with a real API server and the real kubectl: the program gets its rights, and no key is left."""

import contextlib
import subprocess
import urllib.error
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from api_server import ApiServer, api_server, program
from cryptography import x509
from scratch_machine import ScratchMachine

from components.pki.leaves import DEPLOYER_BINDING, DEPLOYER_GROUP, DEPLOYER_USER

PATH = f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{DEPLOYER_BINDING}"
# Keeps the certificate for the test.
KUBECTL = """\
for word; do case $word in */client.pem) cp "$word" {kept} ;; esac; done
exec {kubectl} "$@"
"""
NOBODY = "https://127.0.0.1:9"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api")) as server:
        yield server


class Node:
    """A control-plane node whose API is real."""

    def __init__(self, folder: Path, api: ApiServer) -> None:
        self.api, self.machine, self.kept = api, ScratchMachine(folder), folder / "kept.pem"
        self.kubectl = program("kubectl")
        files = {
            "kubernetes-ca.pem": api.web.chain,
            "kube-controller-manager/kubernetes-ca.pem": api.clients.chain,
            "kube-controller-manager/kubernetes-ca.key": api.clients.private,
        }
        for name, text in files.items():
            path = self.machine.root / "ssl" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        around = KUBECTL.format(kept=self.kept, kubectl=self.kubectl)
        self.machine.program("kubectl", around, at=self.machine.root / "bin")
        self.config = folder / "kubeconfig"
        self.config.write_text(api.kubeconfig(DEPLOYER_USER, DEPLOYER_GROUP))
        self.config.chmod(0o600)

    def grant(self, *urls: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        words = DEPLOYER_GROUP, DEPLOYER_BINDING, *(urls or [self.api.url])
        return self.machine.run("grant", *words, HARDWAY_GRANT_LIMIT="5", KUBECONFIG="/nowhere")

    @property
    def left(self) -> list[str]:
        """What the script leaves in the memory of the machine."""
        return [path.name for path in (self.machine.sysroot / "run/hardway").iterdir()]

    @property
    def has_rights(self) -> bool:
        """Whether the program may do everything."""
        words = [self.kubectl, "--kubeconfig", self.config, "auth", "can-i", "*", "*"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.stdout.strip() in ("yes", "no"), done.stderr
        return done.stdout.strip() == "yes"


@pytest.fixture
def node(api: ApiServer, tmp_path: Path) -> Node:
    with contextlib.suppress(urllib.error.HTTPError):  # there is none yet
        api.ask("DELETE", PATH)
    return Node(tmp_path, api)


def test_the_program_gets_its_rights_and_no_key_is_left(node: Node) -> None:
    assert not node.has_rights
    left = node.machine.sysroot / "run/hardway/grant-killed"
    left.mkdir(parents=True)
    (left / "client.key").write_text("the key of a run that was killed")
    done = node.grant()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "node: hardway:deployers has all rights in the API\n"
    assert node.has_rights and node.left == ["grant.lock"]
    used = x509.load_pem_x509_certificate(node.kept.read_bytes())
    assert used.subject.rfc4514_string() == "CN=hardway:grant,O=system:masters"
    assert used.not_valid_after_utc - used.not_valid_before_utc == timedelta(minutes=11)
    uses = used.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    made = node.api.ask("GET", PATH)
    assert node.grant().returncode == 0 and node.api.ask("GET", PATH) == made, "a second run changes nothing"


def test_a_binding_that_somebody_changed_is_made_again(node: Node) -> None:
    """Its role cannot be changed in place."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": DEPLOYER_GROUP}]
    other = {"metadata": {"name": DEPLOYER_BINDING}, "roleRef": role, "subjects": subjects}
    node.api.ask("POST", PATH.rpartition("/")[0], other)
    assert not node.has_rights
    assert node.grant().returncode == 0 and node.has_rights
    node.api.ask("PATCH", PATH, {"subjects": None}, "application/merge-patch+json")
    assert not node.has_rights
    assert node.grant().returncode == 0 and node.has_rights


def test_an_api_server_that_is_away_is_named(node: Node) -> None:
    done = node.grant(NOBODY, node.api.url)
    assert done.returncode == 0 and node.has_rights
    assert f"node: {NOBODY} does not answer\n" in done.stdout


def test_the_reason_is_said(node: Node) -> None:
    done = node.grant(NOBODY)
    assert done.returncode == 1
    assert "node: the API does not take the binding hardway-deployers: " in done.stderr
    assert "The connection to the server 127.0.0.1:9 was refused" in done.stderr
    (node.machine.root / "ssl/kube-controller-manager/kubernetes-ca.key").write_text("no key\n")
    done = node.grant()
    assert done.returncode == 1 and "node: no certificate can be made: " in done.stderr
    assert node.left == ["grant.lock"] and not node.has_rights
