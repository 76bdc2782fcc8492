"""The client of signing services, as the command of the program runs it: against cfssl, and against other servers."""

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from authorities import DAY, SERVERS_ONLY, Made, intermediate, make, pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from signing_service import LOOPBACK, Service, cfssl, profiles

from components.pki import signing_client
from tools.common.paths import this_clone

ETCD = intermediate("O=Org,CN=Org etcd CA")
PREFIX = "hardway:authorities.etcd (generation 1).service: {url} gives no certificate for cp-1-etcd-server: "
NAMES = x509.SubjectAlternativeName([x509.DNSName("cp-1")])


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(cfssl(), tmp_path / "service", ETCD)
    yield made
    made.stop()


def leaf() -> Made:
    """The draft of a leaf, and its key."""
    by = make("CN=etcd-drafts-1")
    return make(
        "CN=cp-1", by, authority=False, signs=False, begins=timedelta(0), ends=90 * DAY, more=[NAMES, SERVERS_ONLY]
    )


def request(url: str, web: str, draft: Made | None = None, **changes: str) -> dict[str, str]:
    """What the program sends on standard input."""
    draft = draft or leaf()
    builder = x509.CertificateSigningRequestBuilder().subject_name(draft.certificate.subject)
    asked = builder.add_extension(NAMES, critical=False).sign(draft.key, hashes.SHA256())
    return {
        "name": "cp-1-etcd-server",
        "path": "hardway:authorities.etcd (generation 1).service",
        "url": url,
        "caBundle": web,
        "authKey": Service.auth_key,
        "label": "",
        "profile": "server",
        "lifetime": "hardway:pki.profiles.server.lifetime",
        "request": asked.public_bytes(Encoding.PEM).decode(),
        "draft": pem(draft.certificate),
        "authority": ETCD.chain,
    } | changes


def run(values: dict[str, str], last: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the client as the command does. What it says never has the authentication key."""
    environment = {**os.environ} | ({signing_client.LAST: last} if last else {})
    command = [".venv/bin/python", "-m", "components.pki.signing_client"]
    done = subprocess.run(
        command,
        input=json.dumps(values),
        env=environment,
        cwd=this_clone().root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert values["authKey"] not in done.stdout + done.stderr
    return done


def problem(values: dict[str, str]) -> str:
    """The one sentence with which the client fails, without its beginning and its end."""
    done = run(values)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    prefix = PREFIX.format(url=values["url"])
    end = ". Certificates that exist stay in use; repair this and run `make up` again\n"
    assert done.stderr.startswith(prefix) and done.stderr.endswith(end), done.stderr
    return done.stderr.removeprefix(prefix).removesuffix(end)


def test_a_certificate_is_kept_as_long_as_its_draft_stays(service: Service) -> None:
    service.start()
    values = request(service.url, service.web.chain)
    first = run(values)
    assert first.returncode == 0, first.stderr
    # Another key of the service, and a service that is away, do not matter.
    service.stop()
    kept = run(values | {"authKey": "ff" * 16, "url": "https://127.0.0.1:1"}, first.stdout)
    assert kept.stdout == first.stdout
    # The certificate of the authority was renewed.
    renewed = make("O=Org,CN=Org etcd CA", key=ETCD.key).chain
    assert run(values | {"authority": renewed}, first.stdout).stdout == first.stdout
    service.start()
    draft = leaf()
    for other in (request(service.url, service.web.chain, draft), values):
        last = first.stdout if other is not values else "no JSON"
        again = run(other, last)
        assert again.returncode == 0 and json.loads(again.stdout)["certificate"] not in first.stdout
    assert service.requests == 3


def test_a_service_that_refuses(service: Service) -> None:
    usual = profiles()["server"]
    service.profiles = profiles(
        long={**usual, "expiry": "8760h"},
        limited={**usual, "name_whitelist": "^other$"},
        open={**usual, "auth_key": ""},
    )
    service.start()
    values = request(service.url, service.web.chain)
    key = "it refuses the authentication key of the profile 'server': authKey is not the key of the service"
    assert problem(values | {"authKey": "ab" * 16}) == key
    for name in ("other", "open"):
        assert problem(values | {"profile": name}) == f"it has no profile {name!r} with an authentication key"
    assert problem(values | {"profile": "long"}) == (
        "the certificate lives for 8759.9 hours, and the lifetime on the page is 2160.0 hours "
        "(hardway:pki.profiles.server.lifetime): give the profile 'long' this expiry"
    )
    assert problem(values | {"profile": "limited"}).startswith("it refuses to sign with the profile 'limited': ")
    other = problem(values | {"authority": intermediate("O=Org,CN=Other").chain})
    assert (
        other
        == "the certificate is signed by 'CN=Org etcd CA,O=Org', not by the authority on the page (profile 'server')"
    )


def test_a_service_that_cannot_be_reached(service: Service) -> None:
    service.start()
    values = request(service.url, intermediate("O=Org,CN=Other").chain)
    assert problem(values).startswith("caBundle does not verify its server certificate: ")
    assert service.requests == 0
    service.stop()
    assert problem(values) == "no connection is possible: Connection refused"
    assert problem(values | {"url": "https://no-such-host.invalid"}).startswith("no connection is possible: ")


class Wrong(BaseHTTPRequestHandler):
    """Answers in another way than cfssl: the path says how."""

    def do_POST(self) -> None:
        self.server.seen += 1  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers["Content-Length"]))
        if "redirect" in self.path:
            self.send_response(307)
            self.send_header("Location", self.path.replace("redirect", "page"))
        elif "page" in self.path:
            self.send_response(200)
        else:
            self.wfile.write(b"\x00 nothing\r\n")
            return
        self.end_headers()
        self.wfile.write(b"<html>sign in</html>")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_server_that_is_not_cfssl(tmp_path: Path) -> None:
    web = make("CN=Web CA")
    own = make("CN=service", web, authority=False, signs=False, more=[LOOPBACK, SERVERS_ONLY])
    (tmp_path / "pair").write_text(own.private + own.chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Wrong)
    server.seen = 0  # type: ignore[attr-defined]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"https://127.0.0.1:{server.server_port}"
        assert problem(request(f"{url}/page", web.chain)) == "it answers with the status 200, and not as cfssl does"
        # The token does not go to the place of a redirect.
        assert problem(request(f"{url}/redirect", web.chain)) == "it answers with the status 307, and not as cfssl does"
        wrong = problem(request(f"{url}/bytes", web.chain))
        assert wrong == "it does not answer as a web server does: BadStatusLine"
        assert server.seen == 3  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


def test_an_intermediate_authority_verifies_the_service(service: Service) -> None:
    """The bundle needs no root."""
    service.web = make("CN=Web intermediate", make("CN=Web root"))
    service.start()
    alone = pem(service.web.certificate)
    assert run(request(service.url, alone)).returncode == 0
