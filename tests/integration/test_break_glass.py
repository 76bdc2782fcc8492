"""The way back in: the issuer is gone, and the certificates of the admin and of the program have ended.

The program of the stack has the project's PKI and nothing else: `make up` renews leaves with the key of the authority,
which is in the state, before it asks the API for anything.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import policy_engine
import pytest
from api_server import ApiServer, program
from authorities import Made, make
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from issuer import Issuer
from rendered_server import Rendered

from components.config.access import Access
from components.node.render.authentication import authentication
from components.pki.leaves import ADMIN_GROUP, ADMIN_USER
from tests.wait import becomes

PROGRAM = """
import pulumi

from components import config
from components.pki.cluster_pki import ClusterPki, ClusterPkiArgs
from components.topology import MachineNetwork, plan

page = config.from_pulumi()
hosts = {node.name: 11 + index for index, node in enumerate(page.nodes)}
pki = ClusterPki("pki", ClusterPkiArgs(page, plan(page, MachineNetwork("10.100.7.0/24", hosts), ("127.0.0.1", 7443))))
signing = pki.authorities["kubernetes"].signing.signs_with
pairs = {"ca": (signing.cert_pem, signing.private_key_pem)}
pairs |= {name: (pki.leaves[name].cert_pem, pki.leaves[name].private_key_pem) for name in ("admin", "deployer")}
for name, (certificate, key) in pairs.items():
    pulumi.export(name, pulumi.Output.secret({"certificate": certificate, "key": key}))
pulumi.export("certificates", pki.certificates)
"""
PAGE = {"cluster": {"name": "glass"}, "nodes": [{"name": "cp-1", "roles": ["etcd", "control-plane", "worker"]}]}
ENDED = ("LocallySignedCert::admin", "LocallySignedCert::deployer")
SECRETS = "/api/v1/namespaces/kube-system/secrets"
pytestmark = pytest.mark.skipif(not policy_engine.ENGINE.exists(), reason="no engine in this clone yet: `make tools`")


def pair(stack: policy_engine.Stack, name: str) -> Made:
    """A certificate of the stack with its key."""
    found = json.loads(stack.run("stack", "output", name, "--json", "--show-secrets").output)
    key = load_pem_private_key(found["key"].encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Made(x509.load_pem_x509_certificate(found["certificate"].encode()), key)


def months_later(stack: policy_engine.Stack) -> None:
    """The state as it is when nobody has run `up` for longer than these certificates live."""
    export: dict[str, Any] = json.loads(stack.run("stack", "export").output)
    ended = (datetime.now(UTC) - timedelta(days=40)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for found in export["deployment"]["resources"]:
        if found["urn"].endswith(ENDED):
            found["outputs"]["validityEndTime"] = ended
    edited = stack.folder / "edited.json"
    edited.write_text(json.dumps(export))
    answer = stack.run("stack", "import", "--file", str(edited))
    assert answer.code == 0, answer.output


def test_an_up_lets_the_administrator_in_again(tmp_path: Path) -> None:
    stack = policy_engine.make("cluster", tmp_path / "stack", PAGE)
    (stack.folder / "__main__.py").write_text(PROGRAM)
    stack.up()
    authority, first = pair(stack, "ca"), pair(stack, "admin")
    ended = make(f"O={ADMIN_GROUP},CN={ADMIN_USER}", authority, authority=False, signs=False, ends=timedelta(hours=-1))

    folder = tmp_path / "api"
    folder.mkdir()
    issuer = Issuer(folder)
    on_page = {
        "url": issuer.url,
        "audiences": ["kubernetes"],
        "certificateAuthority": issuer.web.chain,
        "claimMappings": {"username": {"claim": "sub", "prefix": "oidc:"}},
    }
    (folder / "authentication.yaml").write_text(authentication(Access.model_validate({"oidc": [on_page]}).oidc))
    clients = make("CN=clients")
    (folder / "both.pem").write_text(clients.chain + authority.chain)
    # The last of two equal flags counts. The authority of the stack certifies the admin, the other one this test.
    flags = (f"--client-ca-file={folder / 'both.pem'}", f"--authentication-config={folder / 'authentication.yaml'}")
    server = ApiServer(folder, program("etcd"), program("kube-apiserver"), clients=clients, flags=flags)
    try:
        server.start()
        made = Rendered(server)
        # Nobody gets in: the issuer does not answer, and the certificate has ended.
        assert made.who(token=issuer.token()) == 401
        assert made.who(pair=ended) == 401

        months_later(stack)
        changed = stack.run("preview", "--diff")
        assert "+-2 to replace" in changed.output, changed.output
        stack.up()
        renewed = pair(stack, "admin")
        assert renewed.certificate.serial_number != first.certificate.serial_number
        assert renewed.certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=29)
        assert made.who(pair=renewed) == (ADMIN_USER, [ADMIN_GROUP])
        # The binding is in the cluster, not in the certificate.
        group = {"apiGroup": "rbac.authorization.k8s.io"}
        binding = {
            "metadata": {"name": "hardway-cluster-admins"},
            "roleRef": {**group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{**group, "kind": "Group", "name": ADMIN_GROUP}],
        }
        server.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        becomes(lambda: made.ask(SECRETS, pair=renewed)[0], 200, 60, "the administrator has all rights")
        assert made.ask(SECRETS, pair=ended)[0] == 401
    finally:
        server.stop()
