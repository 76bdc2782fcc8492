"""Writes objects through the API at a steady rate, and knows how long each write took."""

import http.client
import json
import ssl
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.e2e.support.kubeconfig import Credentials

WRITERS, RATE = 4, 20
"""Connections that stay open, and writes in a second over all of them."""
_NAMESPACE = "default"
_ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Latencies:
    """Of writes that the API confirmed, in milliseconds; `failed` is the number of the others."""

    count: int
    p50: float
    p99: float
    worst: float
    failed: int = 0

    @classmethod
    def of(cls, seconds: Sequence[float], failed: int = 0) -> Self:
        """The values of measured times. There has to be one at least."""
        ordered = sorted(1000 * one for one in seconds)
        at_99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return cls(len(ordered), statistics.median(ordered), at_99, ordered[-1], failed)


@dataclass
class Writing:
    """A context manager: writers change one ConfigMap each while the block runs.

    A write that is late because an earlier one took long is sent at once, and none is left out.
    """

    url: str
    credentials: Credentials
    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def __enter__(self) -> Self:
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def latencies(self) -> Latencies:
        """What was measured, after the block."""
        return Latencies.of(self.seconds, self.failed)

    def _write(self, number: int) -> None:
        connection = self._connect()
        path = f"/api/v1/namespaces/{_NAMESPACE}/configmaps"
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"bench-{number}"}}
        _ask(connection, "POST", path, "application/json", made)  # 409 if an earlier block has made it
        due, count = time.monotonic() + number / RATE, 0
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due, count = due + WRITERS / RATE, count + 1
            begun = time.monotonic()
            try:
                change = {"data": {"count": f"{count} {time.time_ns()}"}}
                status = _ask(connection, "PATCH", f"{path}/bench-{number}", "application/merge-patch+json", change)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection, status = self._connect(), 0
            with self._lock:
                if status == http.client.OK:
                    self.seconds.append(time.monotonic() - begun)
                else:
                    self.failed += 1
        connection.close()

    def _connect(self) -> http.client.HTTPSConnection:
        trusted = ssl.create_default_context(cafile=str(self.credentials.ca))
        trusted.load_cert_chain(self.credentials.cert, self.credentials.key)
        return http.client.HTTPSConnection(urlsplit(self.url).netloc, timeout=_ANSWER_SECONDS, context=trusted)


def _ask(connection: http.client.HTTPSConnection, method: str, path: str, kind: str, body: dict[str, object]) -> int:
    connection.request(method, path, json.dumps(body), {"Content-Type": kind})
    answer = connection.getresponse()
    answer.read()
    return answer.status
