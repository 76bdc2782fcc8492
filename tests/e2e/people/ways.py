"""The ways to log in besides certificates and an issuer, and a service that gives rights: all beside the provider."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any

from authorities import Made, make
from cryptography import x509
from reviewer import Review, Reviewer

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine
from tests.e2e.support.netns import listening
from tests.e2e.support.process import Answer
from tests.e2e.support.secret import encrypted

PROXY = "desk"
PROXY_PORT, TOKENS_PORT, RIGHTS_PORT = 8444, 9443, 9444
_FOLDER = "/etc/people"
# A location passes on the headers of the client, but for those that it sets.
_NGINX = """
error_log stderr;
pid {folder}/nginx.pid;
events {{}}
http {{
  access_log off;
  upstream api {{ {servers} }}
  server {{
    listen {address}:{port} ssl;
    ssl_certificate {folder}/leaf.pem;
    ssl_certificate_key {folder}/leaf.key;
    auth_basic "people";
    auth_basic_user_file {folder}/users;
    location / {{
      proxy_pass https://api;
      proxy_ssl_certificate {folder}/proxy.pem;
      proxy_ssl_certificate_key {folder}/proxy.key;
      proxy_ssl_trusted_certificate {folder}/api-ca.pem;
      proxy_ssl_verify on;
      proxy_ssl_name kubernetes.default.svc;
      proxy_set_header Authorization "";
      proxy_set_header X-Remote-User "sso:$remote_user";
      proxy_set_header X-Remote-Group "sso:staff";
      proxy_set_header X-Remote-Uid "";
    }}
  }}
}}
"""


@dataclass(frozen=True)
class _Clients:
    """The authority of the certificates that API servers show to services."""

    chain: str


@dataclass
class Ways:
    """A static token, a service that knows tokens, one that gives rights, and an authenticating proxy."""

    cluster: Cluster
    machine: Machine
    tokens: Reviewer
    rights: Reviewer
    static: str
    """The token of the robot."""
    of_bob: str
    """A token that only the service knows."""
    password: str
    """That of eve at the proxy."""
    web: Made

    def on_page(self, namespace: str) -> dict[str, Any]:
        """Keys of the section `access`."""
        return {
            "proxy": {"names": [PROXY], "prefix": "sso:"},
            "tokens": [{"name": "robot", "groups": ["robots"], "token": encrypted(self.cluster.stack, self.static)}],
            "tokenWebhook": self.tokens.on_page(prefix="corp:", cacheTtl="1s"),
            "authorizationWebhook": self.rights.on_page(
                timeout="1s",
                authorizedTtl="1s",
                unauthorizedTtl="1s",
                matchConditions=[
                    f"has(request.resourceAttributes) && request.resourceAttributes.namespace == '{namespace}'"
                ],
            ),
        }

    def stop(self) -> None:
        """Let no service answer any more. The proxy stays."""
        self.tokens.stop()
        self.rights.stop()

    def start_proxy(self) -> None:
        """Run nginx with the certificate of the output `proxyCredentials`. The page has to be up."""
        given = self.cluster.stack.output("proxyCredentials")[PROXY]
        name = x509.SubjectAlternativeName([x509.IPAddress(ip_address(self.machine.address))])
        leaf = make("CN=people", self.web, authority=False, signs=False, more=[name])
        masters = self.cluster.having("control-plane")
        config = _NGINX.format(
            folder=_FOLDER,
            servers=" ".join(f"server {machine.address}:{self.cluster.api_port};" for machine in masters),
            address=self.machine.address,
            port=PROXY_PORT,
        )
        for name_of_file, text in {
            "leaf.pem": leaf.chain,
            "leaf.key": leaf.private,
            "proxy.pem": given["certificate"],
            "proxy.key": given["key"],
            "api-ca.pem": given["certificateAuthority"],
            "users": f"eve:{{PLAIN}}{self.password}\n",
            "nginx.conf": config,
        }.items():
            write = f"umask 022 && mkdir -p {_FOLDER} && cat >{_FOLDER}/{name_of_file}"
            self.machine.run(write, stdin=text).ok()
        self.machine.run(f"nginx -c {_FOLDER}/nginx.conf </dev/null >{_FOLDER}/log 2>&1").ok()

    def through_proxy(self, path: str, *options: str, password: str = "") -> Answer:
        """An answer of the API to eve, with the HTTP status as the last line."""
        login = f'user = "eve:{password or self.password}"\n'
        trust = f"{_FOLDER}/web-ca.pem"
        self.machine.run(f"mkdir -p {_FOLDER} && cat >{trust}", stdin=self.web.chain).ok()
        url = f"https://{self.machine.address}:{PROXY_PORT}{path}"
        script = f"curl -sS --max-time 20 --cacert {trust} -K - -w '\\n%{{http_code}}' {' '.join(options)} '{url}'"
        return self.machine.run(script, stdin=login)


@contextlib.contextmanager
def ways(cluster: Cluster, machine: Machine) -> Iterator[Ways]:
    """Services that answer during the body, in the network of `machine`."""
    folder = cluster.stack.folder / "people"
    folder.mkdir(parents=True, exist_ok=True)
    clients = _Clients(cluster.having("control-plane")[0].read("/opt/kubernetes/ssl/kubernetes-ca.pem"))
    of_bob = secrets.token_hex(16)
    known = {of_bob: {"username": "corp:bob", "groups": ["corp:staff"]}}

    def knows(spec: Review) -> Review:
        user = known.get(spec["token"])
        return {"authenticated": user is not None, **({"user": user} if user else {})}

    def allows(spec: Review) -> Review:
        resource = spec.get("resourceAttributes", {})
        return {"allowed": spec["user"] == "corp:bob" and resource.get("resource") == "pods"}

    def service(port: int, decide: Any) -> Reviewer:
        return Reviewer(
            folder, clients, decide, port=port, address=machine.address, listen=partial(listening, machine, port)
        )

    made = Ways(
        cluster,
        machine,
        service(TOKENS_PORT, knows),
        service(RIGHTS_PORT, allows),
        static=secrets.token_hex(32),
        of_bob=of_bob,
        password=secrets.token_hex(8),
        web=make("CN=Desk Web CA"),
    )
    made.tokens.start()
    made.rights.start()
    try:
        yield made
    finally:
        made.stop()
