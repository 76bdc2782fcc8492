"""A program that writes numbered objects all the time and knows when each write was acknowledged."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.e2e.support.cluster import Cluster

NAMESPACE = "numbered"


@dataclass
class Writer:
    """`acknowledged` has the time (seconds of the monotonic clock) of each write that the API confirmed, by number."""

    cluster: Cluster
    acknowledged: dict[int, float] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        """Write one object after the other until the end."""
        number = 0
        while not self._end.is_set():
            number += 1
            kubectl = self.cluster.kubectl
            name = f"--namespace={NAMESPACE}"
            answer = kubectl("--request-timeout=3s", "create", "configmap", f"n{number}", name, timeout=10)
            if answer.code == 0:
                self.acknowledged[number] = time.monotonic()
            self._end.wait(0.2)

    def end(self) -> None:
        """Let the writer end."""
        self._end.set()

    def lost(self) -> list[int]:
        """Numbers of acknowledged objects that the cluster does not have."""
        found = self.cluster.kubectl.items("configmaps", f"--namespace={NAMESPACE}")
        there = {item["metadata"]["name"] for item in found}
        return [number for number in self.acknowledged if f"n{number}" not in there]


@contextlib.contextmanager
def writing(cluster: Cluster) -> Iterator[Writer]:
    """A writer runs during the body, in a namespace that is made anew."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", timeout=120).ok()
    cluster.kubectl("create", "namespace", NAMESPACE).ok()
    writer = Writer(cluster)
    thread = threading.Thread(target=writer.write)
    thread.start()
    try:
        yield writer
    finally:
        writer.end()
        thread.join()
