"""Leaves of authorities behind a signing service, with the real engine, the real providers and the real cfssl."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from authorities import intermediate
from conftest import changed
from cryptography import x509
from signing_service import Service, cfssl, profiles

from tools.common.paths import this_clone
from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
PROGRAM = """
import hashlib, json, os
import pulumi
from components.config import Page
from components.pki.cluster_pki import ClusterPki, ClusterPkiArgs
from components.topology import MachineNetwork, plan

# Without the rules over the whole page, because a renewal that is due at once breaks one of them.
page = Page.model_validate(json.loads(open("page.json").read()))
topology = plan(page, MachineNetwork("10.89.3.0/24", {"cp-1": 11}), ("127.0.0.1", 7443))
pki = ClusterPki("pki", ClusterPkiArgs(page, topology))
pulumi.export("kubeconfig", "x")
pulumi.export("kubeconfigSha256", "y")
pulumi.export("certificates", pki.certificates)
pulumi.export("leaves", {name: leaf.cert_pem for name, leaf in pki.leaves.items()})
pulumi.export("keys", {name: leaf.private_key_pem for name, leaf in pki.leaves.items()})
"""
BASE = {"cluster": {"name": "scratch"}, "nodes": [{"name": "cp-1", "roles": ["etcd", "control-plane"]}]}
ETCD = ("cp-1-etcd-server", "cp-1-etcd-peer", "cp-1-apiserver-etcd-client")


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service of etcd's authority, an intermediate one."""
    made = Service(cfssl(), tmp_path_factory.mktemp("service"), intermediate("O=Org,CN=Org etcd CA")).start()
    yield made
    made.stop()


class Run:
    """Runs the program with pages that change."""

    def __init__(self, stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
        self.stack, self._capfd = stack, capfd
        self.said = ""
        self.page: dict[str, Any] = BASE
        plugins = stack.clone.pulumi_home / "plugins"
        plugins.parent.mkdir()
        plugins.symlink_to(this_clone().pulumi_home / "plugins")
        (stack.clone.root / "__main__.py").write_text(PROGRAM)

    def change(self, values: dict[str, Any]) -> None:
        """Change the page, by path."""
        self.page = changed(self.page, values)
        (self.stack.clone.root / "page.json").write_text(json.dumps(self.page))

    def up(self) -> int:
        """Run `up`, and keep what it says in `said`."""
        return self._heard(self.stack.up())

    def preview(self, *arguments: str) -> int:
        """Run a preview, and keep what it says in `said`."""
        return self._heard(self.stack.preview([*arguments, "--diff"]))

    def _heard(self, code: int) -> int:
        heard = self._capfd.readouterr()
        self.said = heard.out + heard.err
        return code

    def leaves(self) -> dict[str, str]:
        """The certificates of the last `up`, by leaf."""
        found: dict[str, str] = self.stack.known_outputs()["leaves"]
        return found

    def inventory(self) -> dict[str, dict[str, Any]]:
        """The output `certificates`, by name."""
        return {line["name"]: line for line in self.stack.known_outputs()["certificates"]}

    def whole_state(self) -> str:
        """The state with all secrets in plain text."""
        done = self.stack._pulumi.ask("stack", "export", "--show-secrets")
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def run(stack: Stack, capfd: pytest.CaptureFixture[str]) -> Run:
    if not (this_clone().pulumi_home / "plugins").is_dir():
        pytest.skip("no plugins in this clone yet: run `make tools`")
    return Run(stack, capfd)


def issuer(leaf: str) -> str:
    return x509.load_pem_x509_certificates(leaf.encode())[0].issuer.rfc4514_string()


def test_the_service_signs_and_the_key_is_nowhere_else(run: Run, service: Service, tmp_path: Path) -> None:
    """A preview makes no request, and an `up` without a change makes none. No secret is said or stored in plain."""
    run.change({"authorities.etcd": [service.on_page()]})
    assert run.preview() == 0
    assert (service.requests, service.auth_key in run.said) == (0, False)
    assert run.up() == 0, run.said
    assert service.requests == len(ETCD)
    assert service.auth_key not in run.said
    leaves = run.leaves()
    (tmp_path / "ca.pem").write_text(service.authority.chain)
    for name in ETCD:
        assert issuer(leaves[name]) == "CN=Org etcd CA,O=Org"
        (tmp_path / "leaf.pem").write_text(leaves[name])
        subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "ca.pem", tmp_path / "leaf.pem"], check=True)
        end = x509.load_pem_x509_certificates(leaves[name].encode())[0].not_valid_after_utc
        assert run.inventory()[name]["notAfter"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert run.inventory()[name]["issuer"] == "etcd-ca-1"
    (stored,) = run.stack.clone.state.glob(".pulumi/stacks/scratch/dev.json")
    assert service.auth_key not in stored.read_text()
    secrets = service.authority.private.splitlines()[1:-1]
    assert service.auth_key in (state := run.whole_state()) and not [line for line in secrets if line in state]
    service.stop()
    assert run.preview("--expect-no-changes") == 0
    assert run.up() == 0 and run.leaves() == leaves


def test_nothing_is_lost_while_the_service_is_away(run: Run, service: Service) -> None:
    """One sentence says why; the next `up` gets what is missing, and asks for nothing else."""
    run.change({"authorities.etcd": [service.on_page()]})
    assert run.up() == 0
    leaves = run.leaves()
    service.stop()
    # A renewal of the server certificate alone, which is due at once.
    run.change({"pki.profiles.server": {"lifetime": "2160h", "renewBefore": "2160h"}})
    assert run.preview() == 0 and "readyForRenewal" in run.said
    assert run.up() != 0
    path = "hardway:authorities.etcd (generation 1).service"
    reason = "no connection is possible: Connection refused. Certificates that exist stay in use; repair this and run"
    assert f"{path}: {service.url} gives no certificate for cp-1-etcd-server: {reason} `make up` again" in run.said
    assert service.auth_key not in run.said and "Traceback" not in run.said
    assert run.leaves() == leaves
    run.change({"pki.profiles.server": {"lifetime": "2160h", "renewBefore": "720h"}})
    asked = service.start().requests
    assert run.up() == 0, run.said
    assert service.requests == asked + 1
    assert {name for name in ETCD if run.leaves()[name] != leaves[name]} == {"cp-1-etcd-server"}
    # Another address or key of the service concerns the next renewal only.
    run.change({"authorities.etcd": [service.on_page(authKey="f" * 32)]})
    now = run.leaves()
    assert run.up() == 0 and service.requests == asked + 1 and run.leaves() == now


def test_a_service_that_is_set_up_in_another_way(run: Run, service: Service) -> None:
    """The first `up` fails with one sentence for each leaf, and the next goes on when the service is right."""
    run.change({"authorities.etcd": [service.on_page()]})
    usual = profiles()
    service.stop()
    service.profiles = profiles(peer=None, server=usual["client"], client={**usual["client"], "expiry": "24h"})
    service.start()
    assert run.up() != 0
    for sentence in (
        "cp-1-etcd-peer: it has no profile 'peer' with an authentication key. ",
        "cp-1-etcd-server: the certificate does not have exactly the extended key usages that were asked for "
        "(profile 'server'). ",
        "cp-1-apiserver-etcd-client: the certificate lives for 23.9 hours, and the lifetime on the page is 2160.0 "
        "hours (hardway:pki.profiles.client.lifetime): give the profile 'client' this expiry. ",
    ):
        assert f"gives no certificate for {sentence}" in run.said, run.said
    assert service.auth_key not in run.said and "Traceback" not in run.said
    service.stop()
    service.profiles = usual
    service.start()
    assert run.up() == 0, run.said


@pytest.mark.long
def test_every_rotation(run: Run, service: Service, tmp_path_factory: pytest.TempPathFactory) -> None:
    """From a made generation to a service, back, to another service, to its key, and to a made generation."""
    second = Service(cfssl(), tmp_path_factory.mktemp("second"), intermediate("O=Org,CN=Second etcd CA")).start()
    try:
        keys: dict[int, set[Any]] = {}
        assert _step(run, [], [1], 1) == "CN=etcd-ca-1"
        for given, trusted, active, signer in (
            ([service.on_page(2)], [1, 2], 2, "CN=Org etcd CA,O=Org"),
            ([service.on_page(2)], [1, 2], 1, "CN=etcd-ca-1"),
            ([service.on_page(2), second.on_page(3)], [2, 3], 3, "CN=Second etcd CA,O=Org"),
            # The key of the service comes to the page, and goes again: the authority stays the same.
            ([second.authority.on_page(3)], [3], 3, "CN=Second etcd CA,O=Org"),
            ([second.on_page(3)], [3, 4], 3, "CN=Second etcd CA,O=Org"),
            ([], [4], 4, "CN=etcd-ca-4"),
        ):
            assert _step(run, given, trusted, active) == signer, (trusted, active)
            keys.setdefault(active, set()).add(_public_key(run.leaves()["cp-1-etcd-server"]))
        assert (service.requests, second.requests) == (len(ETCD), 2 * len(ETCD))
        assert len(keys[3]) == 1 and not keys[3] & (keys[1] | keys[2] | keys[4])
    finally:
        second.stop()


def _step(run: Run, given: list[dict[str, Any]], trusted: list[int], active: int) -> str:
    """One change of the page. Returns who signed the certificate of etcd's server, by the inventory as well."""
    run.change({"authorities.etcd": given, "pki.generations.etcd": {"trusted": trusted, "active": active}})
    assert run.up() == 0, run.said
    assert run.inventory()["cp-1-etcd-server"]["issuer"] == f"etcd-ca-{active}"
    found = issuer(run.leaves()["cp-1-etcd-server"])
    return found.partition(",")[0] if found.startswith("CN=etcd-ca-") else found


def _public_key(leaf: str) -> Any:
    return x509.load_pem_x509_certificates(leaf.encode())[0].public_key().public_numbers()
