"""A server that publishes files as release pages do: redirects, cuts, errors, and TLS with an authority of its own.

It is also a proxy: a request to a proxy names the whole URL, which is then the path, or the host to connect to.
"""

import contextlib
import ipaddress
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class Answer:
    """An answer to one request."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    """After how many bytes of the body the connection is closed."""
    ranges: bool = True
    """Whether the server sends a part of the file if the client asks for the part."""
    challenge: str = ""
    """What the server wants: the header WWW-Authenticate of its answer to a client without a token."""


def redirect(url: str) -> Answer:
    """An answer as that of a release page."""
    return Answer(status=302, headers={"Location": url})


class Publisher(ThreadingHTTPServer):
    """A server with answers by path. The last answer of a path is given again and again."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((address, port), _Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[str] = []
        """The requests: path, and the range if one was asked for."""
        self.seen: list[Mapping[str, str]] = []
        """The headers of the requests."""
        self.routes: dict[str, int] = {}
        """As a proxy: ports of 127.0.0.1 by the name of the host. If there are any, then there are no other hosts."""
        self._scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def url(self, path: str = "", host: str = "127.0.0.1") -> str:
        """The URL of a path. `localhost` is another name of the same server."""
        return f"{self._scheme}://{host}:{self.server_port}{path}"

    def offer(self, path: str, *answers: Answer | bytes) -> str:
        """Publish answers, in their order. Return the URL."""
        self.answers[path] = [Answer(answer) if isinstance(answer, bytes) else answer for answer in answers]
        return self.url(path)

    def handle_error(self, *_: object) -> None:
        """Print nothing if a client closes its connection."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Publisher)
        asked = self.headers.get("Range", "")
        server.asked.append(f"{self.path} {asked}".strip())
        server.seen.append(dict(self.headers.items()))
        left = server.answers.get(self.path, [Answer(status=404)])
        self._send(left.pop(0) if len(left) > 1 else left[0], int(asked.removeprefix("bytes=").partition("-")[0] or 0))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_CONNECT(self) -> None:
        """A proxy for https: pass bytes on to the host that the client names, until one side ends."""
        server = self.server
        assert isinstance(server, Publisher)
        server.asked.append(f"CONNECT {self.path}")
        host, _, port = self.path.partition(":")
        if server.routes:
            if host not in server.routes:
                self.send_error(502, f"no way to {host}")
                return
            host, port = "127.0.0.1", str(server.routes[host])
        with socket.create_connection((host, int(port)), timeout=10) as target:
            self.send_response(200)
            self.end_headers()
            both = [self.connection, target]
            while True:
                for ready in select.select(both, [], [], 10)[0]:
                    data = ready.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    both[1 - both.index(ready)].sendall(data)

    def _send(self, answer: Answer, start: int) -> None:
        if answer.challenge and not self.headers.get("Authorization"):
            answer = Answer(status=401, headers={"WWW-Authenticate": answer.challenge})
        partial = start and answer.ranges and answer.status == 200
        body = answer.body[start:] if partial else answer.body
        self.send_response(206 if partial else answer.status)
        headers = {"Content-Length": str(len(body))} | dict(answer.headers)
        if partial:
            headers["Content-Range"] = f"bytes {start}-{len(answer.body) - 1}/{len(answer.body)}"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if answer.cut is None else body[: answer.cut])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def publishing(tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> Iterator[Publisher]:
    """Run a server for the time of the block."""
    with Publisher(tls, address) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def authority(folder: Path, names: Sequence[str] = ()) -> tuple[Path, ssl.SSLContext]:
    """The certificate of a new authority, and what a server on this host needs to use one of its leaves.

    `names` are further names of the server.
    """
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority of the test")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    addresses = x509.SubjectAlternativeName(
        [*(x509.DNSName(name) for name in ("localhost", *names)), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = made.add_extension(addresses, critical=False).sign(key, SHA256()).public_bytes(Encoding.PEM)
    (folder / "authority.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "authority.pem", folder / "key.pem")
    return folder / "authority.pem", context
