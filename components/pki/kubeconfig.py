"""Kubeconfig files: for people with everything embedded, for components with the names of files.

Components watch the files that their kubeconfig names and pick up a renewed certificate without a restart;
they would not notice a change of embedded data.
"""

from __future__ import annotations

import base64
import json
from typing import Any


def embedded(*, cluster: str, server: str, user: str, ca: str, cert: str, key: str, server_name: str = "") -> str:
    """A kubeconfig that needs no other file. `ca`, `cert` and `key` are PEM texts.

    `server_name` is who the server has to prove to be, where that is not the host in `server`.
    """
    other = {"tls-server-name": server_name} if server_name else {}
    return _render(
        cluster,
        {"server": server, **other, "certificate-authority-data": _b64(ca)},
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


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _render(cluster: str, server: dict[str, Any], user: str, credentials: dict[str, Any]) -> str:
    context = f"{user}@{cluster}"
    # JSON is YAML; kubectl reads and rewrites both.
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster, "cluster": server}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
            "current-context": context,
        },
        indent=2,
    )
