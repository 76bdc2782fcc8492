"""Asks the API at a bounded rate over kept connections, and knows how long each kind of request took."""

import http.client
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.api import connect, send
from bench.writes import Latencies
from tests.e2e.support.kubeconfig import Credentials

SECONDS = 60
PAGE = 500
"""Pods in one answer to a LIST. kubectl and client-go ask for as many."""
_MAPS = "/api/v1/namespaces/default/configmaps"
_VALUE = "x" * 1024
_NAME = "hardway-bench"


@dataclass(frozen=True)
class Request:
    """A kind of request, sent `rate` times in a second. `body` makes the body of a request from a new name."""

    kind: str
    rate: float
    method: str
    path: str
    body: Callable[[str], Mapping[str, object]] | None = None


def requests_of(node: str) -> tuple[Request, ...]:
    """What is measured: `node` is the Node object that is read."""
    return (
        Request("GET of a Node", 10, "GET", f"/api/v1/nodes/{node}"),
        Request(f"LIST of at most {PAGE} pods", 1, "GET", f"/api/v1/pods?limit={PAGE}"),
        Request("PATCH of a ConfigMap of 1 KiB", 5, "PATCH", f"{_MAPS}/{_NAME}", _change),
        Request("CREATE of a ConfigMap of 1 KiB", 5, "POST", _MAPS, _config_map),
    )


def _config_map(name: str) -> dict[str, object]:
    metadata = {"name": name, "labels": {_NAME: "made"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": _VALUE}}


def _change(name: str) -> dict[str, object]:
    return {"data": {"name": name}}


@dataclass
class _Log:
    seconds: list[float] = field(default_factory=list)
    failed: int = 0


def measure(
    url: str, credentials: Credentials, requests: Sequence[Request], seconds: float = SECONDS
) -> dict[str, Latencies]:
    """Send all kinds at the same time, and return their latencies by kind. The objects that were made are removed.

    A request that is late because an earlier one took long is sent at once. Raises AssertionError if a kind never
    succeeds.
    """
    connection = connect(url, credentials)
    send(connection, "POST", _MAPS, _config_map(_NAME))  # 409 if an earlier measurement has made it
    logs = {request.kind: _Log() for request in requests}
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_ask, args=(url, credentials, request, logs[request.kind], end)) for request in requests
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send(connection, "DELETE", f"{_MAPS}?labelSelector={_NAME}=made")
    connection.close()
    for kind, log in logs.items():
        assert log.seconds, f"{kind}: none of {log.failed} requests succeeded"
    return {kind: Latencies.of(log.seconds, log.failed) for kind, log in logs.items()}


def due_times(begin: float, end: float, rate: float) -> Iterator[float]:
    """When requests are due between two times, `rate` in a second."""
    for count in range(max(1, round((end - begin) * rate))):
        yield begin + count / rate


def _ask(url: str, credentials: Credentials, request: Request, log: _Log, end: float) -> None:
    connection, run = connect(url, credentials), uuid.uuid4().hex[:8]
    for count, due in enumerate(due_times(time.monotonic(), end, request.rate)):
        time.sleep(max(0.0, due - time.monotonic()))
        if time.monotonic() >= end:
            break
        body = request.body(f"{_NAME}-{run}-{count}") if request.body else None
        begun = time.monotonic()
        try:
            status = send(connection, request.method, request.path, body)
        except (OSError, http.client.HTTPException):
            connection.close()
            status = 0
        if 200 <= status < 300:
            log.seconds.append(time.monotonic() - begun)
        else:
            log.failed += 1
    connection.close()
