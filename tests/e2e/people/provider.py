"""The provider of the suite in the network of a cluster, and the people who have an account there."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from authorities import Made, make
from cryptography import x509

from tests.e2e.people.browser import REDIRECT
from tests.e2e.people.plugin import PASSWORD, PERSON
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.guest import guest
from tests.e2e.support.kubectl import write_private
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import Answer, ask
from tests.wait import eventually
from tools.common.paths import shared_cache, this_clone
from tools.common.store import Store
from tools.prepare import npm_packages

CLIENT, SCOPES = "kubernetes", ["groups"]
LIFE = 900
"""Seconds for which a token is valid, unless a test wants another time."""
_HERE, _PORT = Path(__file__).parent, 8443
_START_SECONDS = 30


@dataclass(frozen=True)
class Account:
    """A person at the provider. `sub` is never given to another person, as at real issuers."""

    name: str
    groups: tuple[str, ...] = ()
    sub: str = field(default_factory=lambda: str(uuid.uuid4()))
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def user(self) -> str:
        """Who the API knows the person as."""
        return f"oidc:{self.sub}"


@dataclass
class Provider:
    """The provider. `start` and `stop` may be called in any order; accounts and address stay the same."""

    machine: Machine
    folder: Path
    accounts: Mapping[str, Account]
    authority: Made = field(default_factory=lambda: make("CN=Staff Web CA"))
    _process: subprocess.Popen[bytes] | None = None
    _number: int = 0

    @property
    def url(self) -> str:
        """The issuer, as in the claim `iss`."""
        return f"https://{self.machine.address}:{_PORT}"

    @property
    def on_page(self) -> dict[str, Any]:
        """The entry of `access.oidc`."""
        return {
            "url": self.url,
            "audiences": [CLIENT],
            "certificateAuthority": self.authority.chain,
            "claimMappings": {
                "username": {"claim": "sub", "prefix": "oidc:"},
                "groups": {"claim": "groups", "prefix": "oidc:"},
            },
            "scopes": SCOPES,
        }

    def start(self) -> None:
        """Serve with a new key, as if the provider had been installed again."""
        program = self._lay_out()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self.machine.in_network(["node", str(program), str(self.folder / "settings.json")]),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        eventually(lambda: self._said("ready"), _START_SECONDS, "the provider serves", every=0.1)

    def hang(self) -> None:
        """Accept connections and answer nobody, until `stop`."""
        assert self._process, "the provider is not running"
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """Refuse connections. Sessions and keys are lost."""
        if self._process and self._process.stdin:
            self._process.kill()
            self._process.wait(10)
            self._process.stdin.close()
            self._process = None

    def rotate(self) -> None:
        """Sign with a new key, and publish no other."""
        self._command("rotate")

    def let_tokens_live(self, seconds: int) -> None:
        """Give tokens this lifetime from now on."""
        self._command("life", seconds)

    def lock(self, name: str) -> None:
        """Lock an account."""
        self._command("lock", name)

    def log_in(self, name: str, *scopes: str) -> dict[str, Any]:
        """The tokens of a person who logs in with the browser. Raises AssertionError if the provider gives none."""
        account = self.accounts[name]
        asked = {"person": name, "password": account.password, "scopes": [*SCOPES, *scopes]}
        found: dict[str, Any] = json.loads(self.browse(asked).ok())
        return found

    def token(self, name: str) -> str:
        """The token that kubectl would send."""
        token: str = self.log_in(name)["id_token"]
        return token

    def browse(self, asked: Mapping[str, Any]) -> Answer:
        """Run the browser in the network of the provider. What is secret goes through standard input."""
        client = {"issuer": self.url, "name": CLIENT, "authority": str(self.folder / "authority.pem")}
        command = self.machine.in_network([sys.executable, "-m", "tests.e2e.people.browser"])
        return ask(command, cwd=this_clone().root, stdin=json.dumps({**client, **asked}))

    @property
    def _log(self) -> Path:
        return self.folder / "provider.log"

    def _lay_out(self) -> Path:
        """The program beside its packages, where Node.js looks for them, and its settings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        program, packages = self.folder / "provider.mjs", self.folder / "node_modules"
        program.write_text((_HERE / program.name).read_text())
        packages.unlink(missing_ok=True)
        cache = shared_cache()
        packages.symlink_to(npm_packages.ensure(_HERE, Store(cache / "store"), cache / "log"))
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address(self.machine.address))])
        leaf = make("CN=login", self.authority, authority=False, signs=False, more=[address])
        (self.folder / "authority.pem").write_text(self.authority.chain)
        (self.folder / "leaf.pem").write_text(leaf.chain)
        write_private(self.folder / "leaf.key", leaf.private)
        settings = {
            "issuer": self.url,
            "client": CLIENT,
            "redirects": [REDIRECT],
            "address": self.machine.address,
            "port": _PORT,
            "certificate": str(self.folder / "leaf.pem"),
            "key": str(self.folder / "leaf.key"),
            "life": LIFE,
            "accounts": {
                name: {"sub": account.sub, "password": account.password, "groups": account.groups}
                for name, account in self.accounts.items()
            },
        }
        write_private(self.folder / "settings.json", json.dumps(settings))
        return program

    def _command(self, command: str, argument: Any = None) -> None:
        assert self._process and self._process.stdin, "the provider is not running"
        self._number += 1
        line = json.dumps({"number": self._number, "command": command, "argument": argument})
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()
        eventually(lambda: self._said(f"done {self._number}"), 10, f"the provider obeys {command}", every=0.05)

    def _said(self, line: str) -> None:
        log = self._log.read_text(errors="replace")
        assert line in log.splitlines(), f"exit code {self._process and self._process.poll()}\n{log[-3000:]}"


@contextlib.contextmanager
def providing(cluster: Cluster, accounts: Mapping[str, Account]) -> Iterator[Provider]:
    """A provider that serves during the body, in a container in the network of the cluster.

    Its program is Node.js of this host in the network of the container. It ends with this process.
    """
    with guest(cluster, "login", ["sleep", "infinity"]) as machine:
        provider = Provider(machine, cluster.stack.folder / "people", accounts)
        try:
            provider.start()
            yield provider
        finally:
            provider.stop()


def environment_of(account: Account, plugins: Path) -> dict[str, str]:
    """The environment in which kubectl finds its plugin and the plugin finds out what the person types."""
    path = os.pathsep.join([str(plugins), str(this_clone().bin), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, PERSON: account.name, PASSWORD: account.password}
