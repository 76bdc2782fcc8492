"""Sees when the API of a new cluster answers, when its nodes are Ready, and when its DNS answers."""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

from bench.background import Background
from tests.e2e.support.kubeconfig import Credentials
from tests.e2e.support.machines import Machine
from tests.wait import eventually

NAME = "kubernetes.default.svc.cluster.local"
_EVERY_SECONDS = 0.2
_ANSWER_SECONDS = 5.0
_LIMIT_SECONDS = 400.0


class FirstAnswer(Background):
    """A context manager that asks /readyz at a port of 127.0.0.1 until an API server answers with 200.

    `port` returns None while the port is not known. The identity of the server is not verified: nothing is sent.
    """

    def __init__(self, port: Callable[[], int | None]) -> None:
        super().__init__()
        self._port = port
        self._at: float | None = None
        self._any = ssl.create_default_context()
        self._any.check_hostname, self._any.verify_mode = False, ssl.CERT_NONE

    @property
    def at(self) -> float:
        """When the first answer came, on the monotonic clock. Raises AssertionError if none came."""
        assert self._at is not None, "no API server has answered"
        return self._at

    def watch(self) -> None:
        """Ask until the first answer."""
        while self._at is None and not self.ended.wait(_EVERY_SECONDS):
            port = self._port()
            if port and _get(port, self._any, "/readyz")[0] == http.client.OK:
                self._at = time.monotonic()


def all_ready(port: int, credentials: Credentials, count: int) -> float:
    """Wait until there are `count` nodes and all are Ready. Return the time on the monotonic clock."""
    trusted = ssl.create_default_context(cafile=str(credentials.ca))
    trusted.load_cert_chain(credentials.cert, credentials.key)

    def look() -> None:
        status, body = _get(port, trusted, "/api/v1/nodes")
        assert status == http.client.OK, f"the API answers {status}: {body[:200]!r}"
        nodes = json.loads(body)["items"]
        waiting = [node["metadata"]["name"] for node in nodes if not is_ready(node)]
        assert len(nodes) == count and not waiting, f"{len(nodes)} nodes, not Ready: {waiting}"

    eventually(look, _LIMIT_SECONDS, "all nodes are Ready", every=_EVERY_SECONDS)
    return time.monotonic()


def dns_answers(machine: Machine, server: str) -> float:
    """Wait until a server of names answers a machine. Return the time on the monotonic clock."""
    eventually(lambda: machine.tool("dns", server, NAME).ok(), 120, "DNS answers", every=0.1)
    return time.monotonic()


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether a Node object has the condition Ready."""
    conditions = node.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _get(port: int, context: ssl.SSLContext, path: str) -> tuple[int, bytes]:
    """Status and body. Status 0: there was no answer."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()
    finally:
        connection.close()
