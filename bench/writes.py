"""Writes objects through the API at a steady rate, and knows how long each write took."""

import http.client
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bench.api import connect, send
from tests.e2e.support.kubeconfig import Credentials

WRITERS, RATE = 4, 20
"""Connections that stay open, and writes in a second over all of them."""
_NAMESPACE = "default"


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
        connection = connect(self.url, self.credentials)
        path = f"/api/v1/namespaces/{_NAMESPACE}/configmaps"
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"bench-{number}"}}
        send(connection, "POST", path, made)  # 409 if an earlier block has made it
        due, count = time.monotonic() + number / RATE, 0
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due, count = due + WRITERS / RATE, count + 1
            begun = time.monotonic()
            try:
                change = {"data": {"count": f"{count} {time.time_ns()}"}}
                status = send(connection, "PATCH", f"{path}/bench-{number}", change)
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            with self._lock:
                if status == http.client.OK:
                    self.seconds.append(time.monotonic() - begun)
                else:
                    self.failed += 1
        connection.close()
