"""An issuer of OpenID Connect on loopback: discovery and keys over TLS, and tokens with real signatures.

The tokens are made with PyJWT. The issuer has no login page: how a person gets a token is between the person's browser,
the plugin of kubectl and the issuer, and the API server sees only the token.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
from authorities import Made, make
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from publisher import Answer, Publisher
from signing_service import free_port

LOOPBACK = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"


def new_key() -> rsa.RSAPrivateKey:
    """A key that signs tokens."""
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Issuer:
    """One issuer. `start` and `stop` may be called in any order; the address stays the same."""

    folder: Path
    web: Made = field(default_factory=lambda: make("CN=Web CA"))
    port: int = field(default_factory=free_port)
    key: rsa.RSAPrivateKey = field(default_factory=new_key)
    number: int = 1
    """The number of the key, which is its id."""
    _server: Publisher | None = None

    @property
    def url(self) -> str:
        """The issuer, as in the claim `iss`."""
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve."""
        leaf = make("CN=issuer", self.web, authority=False, signs=False, more=[LOOPBACK])
        pair = self.folder / f"issuer-{self.port}.pem"
        pair.write_text(leaf.private + leaf.chain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        self._server = Publisher(context, port=self.port)
        self._publish()
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def rotate(self) -> None:
        """Sign with a new key, and publish no other key."""
        self.key, self.number = new_key(), self.number + 1
        self._publish()

    def token(self, *, key: rsa.RSAPrivateKey | None = None, lives: float = 600, **claims: Any) -> str:
        """A token that ends in `lives` seconds. `claims` are added to the usual ones; None removes a claim."""
        now = time.time()
        usual = {"iss": self.url, "aud": "kubernetes", "sub": "alice", "iat": int(now), "exp": int(now + lives)}
        content = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(content, key or self.key, algorithm="RS256", headers={"kid": str(self.number)})

    def _publish(self) -> None:
        if self._server is None:
            return
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        documents = {
            DISCOVERY: {
                "issuer": self.url,
                "jwks_uri": self.url + KEYS,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            },
            KEYS: {"keys": [{**public, "kid": str(self.number), "use": "sig", "alg": "RS256"}]},
        }
        for path, content in documents.items():
            answer = Answer(json.dumps(content).encode(), headers={"Content-Type": "application/json"})
            self._server.answers[path] = [answer]
