"""A real API server with a real etcd on loopback, without nodes and without controllers."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from authorities import Made, make
from cryptography import x509
from signing_service import free_port

from components.pki.kubeconfig import embedded
from tools.common.paths import shared_cache
from tools.common.store import Store
from tools.from_source import catalogue, gobuild

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
START_SECONDS = 60
_NODE_AND_RBAC = "--authorization-mode=Node,RBAC"
NAMES = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("kubernetes")])


def program(name: str, kubernetes: str = catalogue.KUBERNETES_DEFAULT) -> Path:
    """A program of nodes from the shared cache, of a version of Kubernetes if it is a part of Kubernetes.

    Skips the test if the program has not been built there.
    """
    # The name of a program in the store has the version of Go.
    if shutil.which("go") is None:
        pytest.skip(f"no {name}: there is no `go` on PATH")
    known = {one.name: one for one in (*catalogue.NODE, *catalogue.kubernetes(kubernetes))}
    found = gobuild.find(known[name], Store(shared_cache() / "store"))
    if found is None:
        pytest.skip(f"no such {name} in the shared cache yet: `make up` of a stack with built programs makes it")
    return found


@dataclass
class ApiServer:
    """An API server with RBAC, whose clients have certificates of `clients`."""

    folder: Path
    etcd: Path
    program: Path
    clients: Made = field(default_factory=lambda: make("CN=clients"))
    web: Made = field(default_factory=lambda: make("CN=web"))
    port: int = field(default_factory=free_port)
    flags: tuple[str, ...] = ()
    """More flags of the API server."""
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> ApiServer:
        """Start both, and return when the API is ready."""
        server = make("CN=server", self.web, authority=False, signs=False, more=[NAMES])
        for name, text in {
            "clients.pem": self.clients.chain,
            "web.pem": self.web.chain,
            "server.pem": server.chain,
            "server.key": server.private,
        }.items():
            (self.folder / name).write_text(text)
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._run(
            self.etcd,
            f"--data-dir={self.folder / 'etcd'}",
            *(f"--listen-{kind}-urls={url}" for kind, url in (("client", client), ("peer", peer))),
            f"--advertise-client-urls={client}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )
        self._run(
            self.program,
            f"--etcd-servers={client}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self.folder / 'server.pem'}",
            f"--tls-private-key-file={self.folder / 'server.key'}",
            f"--client-ca-file={self.folder / 'clients.pem'}",
            f"--service-account-key-file={self.folder / 'server.pem'}",
            f"--service-account-signing-key-file={self.folder / 'server.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",
            *([] if any(flag.startswith("--authorization-") for flag in self.flags) else [_NODE_AND_RBAC]),
            *self.flags,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline or any(one.poll() is not None for one in self._running):
                # All of it: what the API server says about its flags comes before what etcd says.
                pytest.fail(f"the API server did not start: {(self.folder / 'log').read_text()}")
            time.sleep(0.2)
        return self

    def stop(self) -> None:
        """End both processes."""
        for process in reversed(self._running):
            process.kill()
            process.wait(10)
        self._running.clear()

    def kubeconfig(
        self, user: str, *groups: str, server: str = "", server_name: str = "", ends: timedelta = timedelta(days=1)
    ) -> str:
        """A kubeconfig with the certificate of a user, which ends after `ends`."""
        subject = ",".join([*(f"O={group}" for group in groups), f"CN={user}"])
        begins = min(-timedelta(days=1), 2 * ends)
        made = make(subject, self.clients, authority=False, signs=False, begins=begins, ends=ends)
        return embedded(
            cluster="scratch",
            server=server or self.url,
            user=user,
            ca=self.web.chain,
            cert=made.chain,
            key=made.private,
            server_name=server_name,
        )

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer to a request of an administrator, who may impersonate others with headers. Raises HTTPError."""
        content = None if body is None else json.dumps(body).encode()
        more = {"Content-Type": kind, **(headers or {})}
        request = urllib.request.Request(f"{self.url}{path}", content, more, method=method)  # noqa: S310
        with self._opener().open(request, timeout=20) as answer:
            return json.load(answer)

    def _opener(self) -> urllib.request.OpenerDirector:
        pair = self.folder / "admin.pem"
        if not pair.exists():
            made = make("O=system:masters,CN=test", self.clients, authority=False, signs=False)
            pair.write_text(made.private + made.chain)
        context = ssl.create_default_context(cafile=str(self.folder / "web.pem"))
        context.load_cert_chain(pair)
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def _is_ready(self) -> bool:
        try:
            # /readyz is ready before the rules of RBAC and the first namespaces exist.
            self.ask("GET", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:basic-user")
            self.ask("GET", "/api/v1/namespaces/kube-system")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def _run(self, *words: object) -> None:
        with (self.folder / "log").open("ab") as log:
            self._running.append(subprocess.Popen([*map(str, words)], stdout=log, stderr=log))


@contextmanager
def api_server(folder: Path, *flags: str) -> Iterator[ApiServer]:
    """An API server whose files are in `folder`, with more flags."""
    server = ApiServer(folder, program("etcd"), program("kube-apiserver"), flags=flags)
    try:
        yield server.start()
    finally:
        server.stop()


@contextmanager
def controllers(server: ApiServer, *names: str, flags: Sequence[str] = ()) -> Iterator[None]:
    """A controller-manager with these controllers and flags. The provider waits for the one that collects garbage."""
    kubeconfig = server.folder / "controller.kubeconfig"
    kubeconfig.write_text(server.kubeconfig("controller", "system:masters"))
    words = [f"--kubeconfig={kubeconfig}", f"--controllers={','.join(names)}", "--leader-elect=false"]
    words += ["--bind-address=127.0.0.1", f"--secure-port={free_port()}", f"--cert-dir={server.folder}", *flags]
    with (server.folder / "controller.log").open("ab") as log:
        running = subprocess.Popen([program("kube-controller-manager"), *words], stdout=log, stderr=log)
        try:
            yield
        finally:
            running.kill()
            running.wait(10)
