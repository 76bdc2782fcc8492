"""The issuer is gone: who works on, who does not, and the way in that is left."""

import hashlib
import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.pki.leaves import ADMIN_USER
from tests.e2e.people.desk import Desk, audited, status
from tests.e2e.people.page import PEOPLE, SHOP
from tests.e2e.people.provider import Provider
from tests.e2e.people.ways import Ways
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.ending import end_soon
from tests.e2e.support.kubectl import write_private
from tests.e2e.support.progress import Say, stopwatch
from tests.wait import becomes, eventually

PROGRAM = "hardway:deployer"
AGAIN = 60
"""Seconds. API servers ask an issuer that does not answer again every 10 s."""


@pytest.fixture(scope="module")
def known(provider: Provider) -> str:
    """A token of a key that all API servers know, from before the issuer is gone."""
    return provider.token("anna")


def test_api_servers_start_and_certificates_work(
    cluster: Cluster, provider: Provider, services: Ways, known: str, desk: Desk, say: Say
) -> None:
    """Also if the issuer hangs and the services of webhooks are gone.

    Tokens of known keys work where the API server has not restarted. Nobody logs in.
    """
    restarted, *others = cluster.having("control-plane")
    developer = desk.with_certificate("developer")
    assert {status(cluster, machine, known) for machine in (restarted, *others)} == {"201"}
    provider.hang()
    services.stop()
    elapsed = stopwatch()
    restarted.run("systemctl restart kube-apiserver.service", timeout=120).ok()
    api = f"https://{restarted.address}:{cluster.api_port}"
    ready = f"curl -fsS --max-time 5 --cacert /opt/kubernetes/ssl/kubernetes-ca.pem {api}/readyz"
    eventually(lambda: restarted.run(ready).ok(), 120, "the API server is ready")
    say(f"  an API server was ready {elapsed():.1f} s after its restart without its issuer")
    for what in (lambda: None, provider.stop):
        what()
        assert {status(cluster, machine, known) for machine in others} == {"201"}
        assert status(cluster, restarted, known) == "401"
        developer("get", "pods", "--namespace=development").ok()
    answer = desk.at_login(PEOPLE["anna"])("get", "pods", f"--namespace={SHOP}")
    assert answer.code != 0 and "no token of" in answer.stderr, answer.text


def test_up_lets_the_admin_in_when_nothing_else_does(cluster: Cluster, known: str, say: Say) -> None:
    """Without an issuer and with ended certificates of the admin and of the program: break-glass is `make up`."""
    stack, end = cluster.stack, datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    ended = end_soon(stack, {}, end, only=(ADMIN_USER, PROGRAM))
    content = json.loads(stack.kubeconfig.read_text())
    user = content["users"][0]["user"]
    old = b64decode(user["client-certificate-data"]).decode()
    user["client-certificate-data"] = b64encode(ended[old.strip()].encode()).decode()
    write_private(stack.kubeconfig, json.dumps(content))
    answer = cluster.kubectl("get", "nodes")
    assert answer.code != 0 and "You must be logged in to the server" in answer.text, answer.text
    run = cluster.up()
    say(f"  the admin was back after {run.seconds:.1f} s")
    cluster.kubectl("get", "nodes").ok()
    new = json.loads(stack.kubeconfig.read_text())["users"][0]["user"]["client-certificate-data"]
    mark = f"X509SHA256={_fingerprint(b64decode(new).decode())}"
    assert mark != f"X509SHA256={_fingerprint(old)}"
    seen = [line for line in audited(cluster, ADMIN_USER) if mark in str(line["user"].get("extra"))]
    assert any(line.get("objectRef", {}).get("resource") == "nodes" and line["verb"] == "list" for line in seen)


def test_the_issuer_is_back(cluster: Cluster, provider: Provider, say: Say) -> None:
    """API servers find it by themselves, with its new key and without a run."""
    provider.start()
    elapsed, token = stopwatch(), provider.token("anna")
    for machine in cluster.having("control-plane"):
        becomes(lambda m=machine: status(cluster, m, token), "201", AGAIN, f"{machine.name} knows the issuer")
    say(f"  all API servers accepted tokens {elapsed():.1f} s after the issuer was back")


def _fingerprint(pem: str) -> str:
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    return hashlib.sha256(der).hexdigest()
