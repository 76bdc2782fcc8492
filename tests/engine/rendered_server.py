"""A real API server with the files and flags that the renderer writes for a page, on loopback."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api_server import ApiServer, program
from authorities import Made, make
from clusters import cluster

from components.node.model import ROOT, NodeFile
from components.node.release import unit_flags
from components.node.render.control_plane import API_SERVER, api_server
from components.pki.leaves import plan_leaves
from components.pki.names import STATIC_TOKENS, certificate_of, key_of, trust_bundle
from components.pki.static_tokens import tokens_file
from tools.from_source import catalogue

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
TRIED = ("admission", "authentication-", "authorization-", "requestheader-", "token-auth-file", "proxy-client")
"""The beginnings of the flags that the server gets from the renderer; all others are about machines and etcd."""


@dataclass
class Rendered:
    """An API server for a page. `front` is the authority of proxies."""

    server: ApiServer
    front: Made = field(default_factory=lambda: make("CN=front-proxy"))

    def render(self, change: Mapping[str, Any]) -> None:
        """Write the files of a page with these values, and take its flags."""
        made = cluster("stacked", change, secret=("access",))
        part = api_server(made.page, made.topology, made.topology.node("cp-1"))
        specs = {spec.name: spec for spec in plan_leaves(made.page, made.topology)}
        self._material = {
            trust_bundle("front-proxy"): self.front.chain,
            STATIC_TOKENS: tokens_file(made.page.access.tokens),
        }
        for name in ("cp-1-apiserver-webhook-client", "cp-1-front-proxy-client"):
            if name in specs:
                issuer = self.front if specs[name].authority == "front-proxy" else self.server.clients
                leaf = make(f"CN={specs[name].common_name}", issuer, authority=False, signs=False)
                self._material |= {certificate_of(name): leaf.chain, key_of(name): leaf.private}
        for file in part.files:
            self._write(file)
        (unit,) = part.units
        flags = {name: value for name, value in unit_flags(unit.text).items() if self._is_tried(name)}
        self.server.flags = tuple(f"--{name}={self._placed(value)}" for name, value in flags.items())

    @staticmethod
    def _is_tried(name: str) -> bool:
        return name.startswith(TRIED) or name.endswith("-admission-plugins")

    def _placed(self, text: str) -> str:
        return text.replace(ROOT, str(self.server.folder))

    def _write(self, file: NodeFile) -> None:
        content = file.content if isinstance(file.content, str) else self._material.get(file.content.name)
        if content is not None:
            path = self.server.folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._placed(content))
            path.chmod(0o600)

    def ask(
        self,
        path: str,
        *,
        pair: Made | None = None,
        token: str = "",
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status and content of the answer to a client with a certificate, a token, or neither."""
        context = ssl.create_default_context(cafile=str(self.server.folder / "web.pem"))
        if pair:
            file = self.server.folder / "pair.pem"
            file.write_text(pair.private + pair.chain)
            context.load_cert_chain(file)
        more = {"Content-Type": "application/json", **(headers or {})}
        more |= {"Authorization": f"Bearer {token}"} if token else {}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server.url + path, content, more, method=method)  # noqa: S310
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=40) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text[:1] == b"{" else text.decode()
        except urllib.error.HTTPError as error:
            text = error.read()
            return error.code, json.loads(text) if text[:1] == b"{" else text.decode()

    def who(self, **credential: Any) -> Any:
        """Name and groups of a client, or the status of the refusal."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        status, content = self.ask(REVIEW, method="POST", body=review, **credential)
        if status != 201:
            return status
        user = content["status"]["userInfo"]
        return user["username"], sorted({*user.get("groups", ())} - {"system:authenticated"})

    def client(self, subject: str) -> Made:
        """A certificate of the cluster's authority."""
        return make(subject, self.server.clients, authority=False, signs=False)

    def of_front(self, name: str) -> Made:
        """A certificate of the authority of proxies."""
        return make(f"CN={name}", self.front, authority=False, signs=False)


def prepared(folder: Path, kubernetes: str = catalogue.KUBERNETES_DEFAULT) -> Rendered:
    """A server that has not started, so that a page can name its authorities."""
    return Rendered(ApiServer(folder, program("etcd"), program(API_SERVER, kubernetes)))


@contextmanager
def rendered_server(made: Rendered, change: Mapping[str, Any]) -> Iterator[Rendered]:
    """Start the server for a page with these values."""
    made.render(change)
    try:
        made.server.start()
        yield made
    finally:
        made.server.stop()
