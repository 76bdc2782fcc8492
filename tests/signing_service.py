"""A real signing service: `cfssl serve` on loopback, with an authority, profiles and an authentication key."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from authorities import SERVERS_ONLY, Made, make
from cryptography import x509

from tools.common.paths import shared_cache
from tools.common.progress import Progress
from tools.common.store import Store
from tools.from_source import catalogue, gobuild

AUTH_KEY = "00112233445566778899aabbccddeeff"
LOOPBACK = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
_USES = {
    "server": ["digital signature", "server auth"],
    "client": ["digital signature", "client auth"],
    "peer": ["digital signature", "server auth", "client auth"],
}


def cfssl() -> Path:
    """The program, built into the shared cache if it is not there. Skips the test if there is no Go."""
    store = Store(shared_cache() / "store")
    # The name of a program in the store has the version of Go.
    if shutil.which("go") is None:
        pytest.skip("no signing service: there is no `go` on PATH to build cfssl with")
    return gobuild.build(catalogue.CFSSL, store, Progress("cfssl"))


def profiles(expiry: str = "2160h", **changes: Any) -> dict[str, Any]:
    """The profiles of the service by name. `changes` take the place of a profile; None removes it."""
    usual = {name: {"usages": uses, "expiry": expiry, "auth_key": "hardway"} for name, uses in _USES.items()}
    return {name: value for name, value in (usual | changes).items() if value is not None}


@dataclass
class Service:
    """One service. `authority` signs, `web` has certified the service itself."""

    program: Path
    folder: Path
    authority: Made
    profiles: dict[str, Any] = field(default_factory=profiles)
    auth_key: str = AUTH_KEY
    default: dict[str, Any] = field(default_factory=lambda: {"usages": ["client auth"], "expiry": "1h"})
    web: Made = field(default_factory=lambda: make("CN=Web CA"))
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the service is, after its first start."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the service has logged, one line for each request."""
        return (self.folder / "log").read_text()

    @property
    def requests(self) -> int:
        """How often somebody asked for a signature."""
        return self.log.count("signature request received")

    def on_page(self, generation: int = 1, **changes: Any) -> dict[str, Any]:
        """An entry of `authorities`. `changes` are values of its `service`."""
        service = {"url": self.url, "caBundle": self.web.chain, "authKey": self.auth_key} | changes
        return {"generation": generation, "certificate": self.authority.chain, "service": service}

    def start(self) -> Service:
        """Start, and return when the service accepts connections. A second start uses the same port."""
        self.port = self.port or free_port()
        certificate = make("CN=service", self.web, authority=False, signs=False, more=[LOOPBACK, SERVERS_ONLY])
        config = {
            "signing": {"default": self.default, "profiles": self.profiles},
            "auth_keys": {"hardway": {"type": "standard", "key": self.auth_key}},
        }
        files = {
            "ca.pem": Made(self.authority.certificate, self.authority.key).chain,
            "ca.key": self.authority.private,
            "web.pem": certificate.chain,
            "web.key": certificate.private,
            "config.json": json.dumps(config),
        }
        self.folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (self.folder / name).write_text(text)
        where = {"-ca": "ca.pem", "-ca-key": "ca.key", "-tls-cert": "web.pem", "-tls-key": "web.key"}
        options = [word for flag, name in where.items() for word in (flag, str(self.folder / name))]
        options += ["-config", str(self.folder / "config.json"), "-address", "127.0.0.1", "-port", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([str(self.program), "serve", *options], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"cfssl did not start: {self.log}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """Stop, if the service runs."""
        if self._process:
            self._process.kill()
            self._process.wait(10)
            self._process = None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
        return port
