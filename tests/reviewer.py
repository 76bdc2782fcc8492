"""A service on loopback that API servers ask: it answers reviews over TLS, to clients with a certificate."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

from authorities import Made, make
from cryptography import x509
from signing_service import free_port

Review = dict[str, Any]


class Chain(Protocol):
    """An authority and its issuers."""

    @property
    def chain(self) -> str:
        """The certificates in PEM."""


@dataclass
class Reviewer:
    """A service. `decide` gets `spec` of a review and returns its `status`. `clients` certifies who may ask.

    `start` and `stop` may be called in any order; the address stays the same.
    """

    folder: Path
    clients: Chain
    decide: Callable[[Review], Review]
    web: Made = field(default_factory=lambda: make("CN=Web CA"))
    port: int = field(default_factory=free_port)
    address: str = "127.0.0.1"
    listen: Callable[[], socket.socket] | None = None
    """Makes the socket that listens at the address, if that is not in the network of this process."""
    asked: list[Review] = field(default_factory=list)
    """The reviews that were asked for."""
    names: set[str] = field(default_factory=set)
    """The common names of the clients."""
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where the service is."""
        return f"https://{self.address}:{self.port}/review"

    def on_page(self, **more: Any) -> dict[str, Any]:
        """The service as on a page."""
        return {"url": self.url, "certificateAuthority": self.web.chain, **more}

    def start(self) -> None:
        """Serve."""
        name = x509.SubjectAlternativeName([x509.IPAddress(ip_address(self.address))])
        leaf = make("CN=reviewer", self.web, authority=False, signs=False, more=[name])
        pair, clients = self.folder / f"reviewer-{self.port}.pem", self.folder / f"reviewer-{self.port}-clients.pem"
        pair.write_text(leaf.private + leaf.chain)
        clients.write_text(self.clients.chain)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(clients))
        context.load_cert_chain(pair)
        context.verify_mode = ssl.CERT_REQUIRED
        server = _Server((self.address, self.port), _Handler, bind_and_activate=self.listen is None)
        server.reviewer = self
        if self.listen:
            server.socket.close()
            server.socket = self.listen()
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    reviewer: Reviewer

    def handle_error(self, *_: object) -> None:
        """Print nothing if a client has no certificate, or closes its connection."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, _Server) and isinstance(self.connection, ssl.SSLSocket)
        reviewer = self.server.reviewer
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        subject = (self.connection.getpeercert() or {}).get("subject", ())
        reviewer.names |= {str(value) for part in subject for key, value in part if key == "commonName"}  # type: ignore[misc, union-attr]
        reviewer.asked.append(review)
        body = json.dumps(review | {"status": reviewer.decide(review["spec"])}).encode()
        self.send_response(200)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        # The next request needs a new connection, which a service that has stopped refuses.
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Print nothing."""
