"""Changes a ConfigMap every half second, and watches the ConfigMap: the watch has to see every change."""

import contextlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.e2e.support.kubeconfig import Credentials

PATH = "/api/v1/namespaces/default/configmaps"
NAME = "beat"
_PERIOD, _ANSWER = 0.5, 10.0


@dataclass
class Beat:
    """The numbers that were written, the numbers that the watch saw, and the watches opened. Times are in seconds."""

    server: str
    credentials: Credentials
    written: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    repeated: int = 0
    """Writes that were answered with 500 and succeeded at the second attempt."""
    watches: int = 0
    longest_gap: float = 0.0
    failures: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def assert_whole(self) -> None:
        """Raise AssertionError if a write failed, or if the watch has missed a change."""
        assert not self.failures, self.failures[:5]
        assert self.written
        missed = sorted(set(self.written) - set(self.seen))
        assert not missed, f"the watch missed {len(missed)} of {len(self.written)} changes: {missed[:5]}"

    def line(self) -> str:
        """The result as one line."""
        opened = f"{self.watches} watches one after the other"
        again = f" ({self.repeated} written twice)" if self.repeated else ""
        gap = f"longest time between two changes {self.longest_gap:.2f} s"
        return f"watch: {len(self.seen)} changes{again}, {opened}, {gap}"

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.credentials.ca))
        context.load_cert_chain(self.credentials.cert, self.credentials.key)
        return http.client.HTTPSConnection(urlsplit(self.server).netloc, timeout=_ANSWER, context=context)

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        connection = self._connect()
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method}: status {answer.status} {text[:200].decode(errors='replace')}")
            found: dict[str, object] = json.loads(text)
            return found

    def _write(self) -> None:
        number = 0
        while not self._over.wait(_PERIOD):
            number += 1
            try:
                self._write_number(number)
                self.written.append(number)
            except (OSError, http.client.HTTPException, RuntimeError) as error:
                self.failures.append(f"write {number}: {error!r}")

    def _write_number(self, number: int) -> None:
        change = {"data": {"number": str(number)}}
        try:
            self._ask("PATCH", f"{PATH}/{NAME}", change)
        except RuntimeError as error:
            # A member of etcd drops a write that is under way while the leadership moves, and says so after 7 s:
            # https://etcd.io/docs/latest/learning/api_guarantees/. Nothing was written, so clients write again.
            if "status 500" not in str(error):
                raise
            self.repeated += 1
            self._ask("PATCH", f"{PATH}/{NAME}", change)

    def _watch(self, version: str) -> None:
        last = time.monotonic()
        while not self._over.is_set():
            self.watches += 1
            connection = self._connect()
            with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
                query = f"watch=1&fieldSelector=metadata.name%3D{NAME}&resourceVersion={version}"
                connection.request("GET", f"{PATH}?{query}")
                answer = connection.getresponse()
                if answer.status >= 300:
                    self.failures.append(f"watch: status {answer.status}")
                    time.sleep(_PERIOD)
                    continue
                for line in answer:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        self.failures.append(f"watch: {event['object'].get('message')}")
                        return
                    version = event["object"]["metadata"]["resourceVersion"]
                    self.seen.append(int(event["object"]["data"]["number"]))
                    now = time.monotonic()
                    self.longest_gap, last = max(self.longest_gap, now - last), now
                    if self._over.is_set() and self.seen[-1] >= max(self.written, default=0):
                        return


@contextlib.contextmanager
def beating(server: str, credentials: Credentials) -> Iterator[Beat]:
    """Change the ConfigMap and watch it during the body. The watch begins before the body."""
    beat = Beat(server, credentials)
    with contextlib.suppress(RuntimeError):
        beat._ask("DELETE", f"{PATH}/{NAME}")
    made = beat._ask("POST", PATH, {"metadata": {"name": NAME}, "data": {"number": "0"}})
    version = str(made["metadata"]["resourceVersion"])  # type: ignore[index]
    threads = [
        threading.Thread(target=beat._watch, args=(version,), daemon=True),
        threading.Thread(target=beat._write, daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield beat
    finally:
        # The watch gets time to see the last change. If there is no further change, then its connection times out.
        beat._over.set()
        for thread in threads:
            thread.join(3 * _ANSWER)
