"""Kubeconfig files: for people with everything embedded, for components with the names of files.

Components watch the files that their kubeconfig names and pick up a renewed certificate without a restart;
they would not notice a change of embedded data.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def embedded(*, cluster: str, server: str, user: str, ca: str, cert: str, key: str, server_name: str = "") -> str:
    """A kubeconfig that needs no other file. `ca`, `cert` and `key` are PEM texts.

    `server_name` is who the server has to prove to be, where that is not the host in `server`.
    """
    return _render(
        cluster,
        _embedded_server(server, ca, server_name),
        user,
        {"client-certificate-data": _b64(cert), "client-key-data": _b64(key)},
    )


def by_files(*, cluster: str, server: str, user: str, ca: str, cert: str, key: str) -> str:
    """A kubeconfig that names absolute paths of PEM files on the node."""
    return _render(
        cluster, {"server": server, "certificate-authority": ca}, user, {"client-certificate": cert, "client-key": key}
    )


def by_token_file(*, cluster: str, server: str, user: str, ca: str, token: str) -> str:
    """A kubeconfig whose user has a token in a file on the node."""
    return _render(cluster, {"server": server, "certificate-authority": ca}, user, {"tokenFile": token})


def by_service(*, server: str, ca: str, cert: str, key: str) -> str:
    """A kubeconfig with which an API server asks a service: its authorities are a PEM text, its own pair are files."""
    return _render(
        "service",
        {"server": server, "certificate-authority-data": _b64(ca)},
        "kube-apiserver",
        {"client-certificate": cert, "client-key": key},
    )


@dataclass(frozen=True)
class Login:
    """How people get a token: the issuer, its client, and what to ask for besides `openid`. `authority` is PEM."""

    name: str
    url: str
    client: str
    scopes: Sequence[str] = ()
    authority: str = ""


def by_login(*, cluster: str, server: str, ca: str, logins: Sequence[Login], server_name: str = "") -> str:
    """A kubeconfig without a secret, with one context for each issuer: the plugin `oidc-login` of kubectl gets a token.

    The flags are those of https://github.com/int128/kubelogin. `server_name` is as in `embedded`.
    """
    users = {login.name: {"exec": _oidc_login(login)} for login in logins}
    return _document(cluster, _embedded_server(server, ca, server_name), users)


def _oidc_login(login: Login) -> dict[str, Any]:
    words = ["oidc-login", "get-token", f"--oidc-issuer-url={login.url}", f"--oidc-client-id={login.client}"]
    words += [f"--oidc-extra-scope={scope}" for scope in login.scopes]
    if login.authority:
        words.append(f"--certificate-authority-data={_b64(login.authority)}")
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "kubectl",
        "args": words,
        "interactiveMode": "IfAvailable",
        "installHint": "kubectl needs its plugin oidc-login: https://github.com/int128/kubelogin",
    }


def _embedded_server(server: str, ca: str, server_name: str) -> dict[str, Any]:
    other = {"tls-server-name": server_name} if server_name else {}
    return {"server": server, **other, "certificate-authority-data": _b64(ca)}


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _render(cluster: str, server: dict[str, Any], user: str, credentials: dict[str, Any]) -> str:
    return _document(cluster, server, {user: credentials})


def _document(cluster: str, server: dict[str, Any], users: Mapping[str, dict[str, Any]]) -> str:
    """A kubeconfig with one context for each user. The first is the current one."""
    contexts = [{"name": f"{user}@{cluster}", "context": {"cluster": cluster, "user": user}} for user in users]
    # JSON is YAML; kubectl reads and rewrites both.
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster, "cluster": server}],
            "users": [{"name": user, "user": credentials} for user, credentials in users.items()],
            "contexts": contexts,
            "current-context": contexts[0]["name"],
        },
        indent=2,
    )
