"""Asks an HTTP(S) URL at a steady rate and says how much of it failed: one line at the end, or when told to stop.

    python -m tests.e2e.support.probe --url https://127.0.0.1:16443/version --rate 20 --seconds 30 --ca ca.pem ...

Two kinds of requests go out at the rate each: `fresh` ones, with a new connection (and TLS handshake) of their own, and
`kept` ones over connections that stay open. They leave on schedule, whether or not earlier ones are answered. A GET
that meets a kept connection which the other side has closed in the meantime is sent once more, as every HTTP client
does it; it is counted as retried. So is one that a server which leaves sends away over a kept connection with 429,
`Retry-After` and `Connection: close` (kube-apiserver's --shutdown-send-retry-after): Kubernetes' clients ask again.
Everything else but a status below 300 is a failure. Standard library only.
"""

import argparse
import errno
import faulthandler
import http.client
import itertools
import json
import queue
import signal
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

MAX_RATE, MAX_SECONDS = 200.0, 900.0
KEPT_CONNECTIONS = 4
_WORKERS = 256
_NAP = 0.1
_LATE = 25.0
"""Seconds after `stop` at which a program that still runs says where: answers take 5 s, a second attempt 5 more."""


@dataclass(frozen=True)
class Target:
    """What is asked. Files are paths; without `ca` an HTTPS server's certificate is not verified."""

    url: str
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    timeout: float = 5.0

    def connector(self) -> Callable[[], http.client.HTTPConnection]:
        """A function that makes connections which are not open yet."""
        parts = urlsplit(self.url)
        if parts.scheme == "http":
            return lambda: http.client.HTTPConnection(parts.netloc, timeout=self.timeout)
        context = ssl.create_default_context(cafile=self.ca)
        if self.ca is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.cert:
            context.load_cert_chain(self.cert, self.key)
        return lambda: http.client.HTTPSConnection(parts.netloc, timeout=self.timeout, context=context)

    @property
    def path(self) -> str:
        """The part of the URL that is sent."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@dataclass(frozen=True)
class Tally:
    """How requests of one kind went. Times: the gap in seconds, latencies of answered requests in milliseconds."""

    requests: int
    failed: int
    retried: int
    longest_gap: float
    p50: float
    p99: float
    reasons: dict[str, int]
    failed_between: tuple[float, float] | None = None
    """When the first and the last of those that failed were sent, in seconds since the probe began."""

    def line(self) -> str:
        """It as a part of a line."""
        retried = f" ({self.retried} retried)" if self.retried else ""
        why = "".join(f" [{count}x {reason}]" for reason, count in self.reasons.items())
        if self.failed_between:
            why += " sent at {:.1f} to {:.1f} s".format(*self.failed_between)
        return (
            f"{self.requests} requests, {self.failed} failed{why}{retried}, longest gap {self.longest_gap:.2f} s, "
            f"p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms"
        )


@dataclass(frozen=True)
class Report:
    """The whole run."""

    url: str
    seconds: float
    kinds: dict[str, Tally]

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(tally.requests for tally in self.kinds.values())

    @property
    def failed(self) -> int:
        """All failures."""
        return sum(tally.failed for tally in self.kinds.values())

    @property
    def longest_gap(self) -> float:
        """The longest time in seconds without any success of some kind."""
        return max(tally.longest_gap for tally in self.kinds.values())

    def line(self) -> str:
        """It as one line."""
        kinds = "; ".join(f"{kind}: {tally.line()}" for kind, tally in self.kinds.items())
        return f"probe {self.url} for {self.seconds:.1f} s: {kinds}"

    def to_json(self) -> str:
        """It as one line for programs; `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """What `to_json` wrote."""
        data = json.loads(text)
        return cls(data["url"], data["seconds"], {kind: Tally(**tally) for kind, tally in data["kinds"].items()})


@dataclass
class _Log:
    """What happened to the requests of one kind; several threads write to it."""

    begin: float
    sent: int = 0
    retried: int = 0
    successes: list[tuple[float, float]] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def succeed(self, started: float) -> None:
        now = time.monotonic()
        with self.lock:
            self.successes.append((now, now - started))

    def fail(self, started: float, reason: str) -> None:
        with self.lock:
            self.failures.append((started, reason))

    def tally(self, end: float) -> Tally:
        times = sorted(moment for moment, _ in self.successes)
        edges = [self.begin, *times, max(end, times[-1] if times else end)]
        latencies = sorted(latency * 1000 for _, latency in self.successes)
        sent = sorted(started - self.begin for started, _ in self.failures)
        reasons = Counter(sorted(reason for _, reason in self.failures))
        return Tally(
            requests=self.sent,
            failed=len(self.failures),
            retried=self.retried,
            longest_gap=max(after - before for before, after in itertools.pairwise(edges)),
            p50=_quantile(latencies, 0.5),
            p99=_quantile(latencies, 0.99),
            reasons=dict(reasons),
            failed_between=(sent[0], sent[-1]) if sent else None,
        )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class _SentAwayError(ConnectionError):
    """The server leaves, and ends this connection without having done what it was asked."""


class Probe:
    """One run against one target. `stop` may be called from a signal handler."""

    def __init__(self, target: Target, rate: float, seconds: float, kinds: Sequence[str] = ("fresh", "kept")) -> None:
        if not 0 < rate <= MAX_RATE or not 0 < seconds <= MAX_SECONDS:
            raise ValueError(f"rate {rate}, seconds {seconds}: at most {MAX_RATE:.0f}/s for {MAX_SECONDS:.0f} s")
        self._target, self._rate, self._seconds, self._kinds = target, rate, seconds, kinds
        self._connect = target.connector()
        self._idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()
        self._stopped = False

    def stop(self) -> None:
        """End early."""
        # Not an Event: a signal handler runs in the thread that waits, at times between taking and giving back the lock
        # which `set` takes too. That probe would never end.
        self._stopped = True

    def run(self) -> Report:
        """Send requests until the time is over or `stop` is called, and wait for the answers."""
        begin = time.monotonic()
        logs = {kind: _Log(begin) for kind in self._kinds}
        send = {"fresh": self._fresh, "kept": self._kept}
        with ThreadPoolExecutor(_WORKERS) as workers:
            for number in range(int(self._rate * self._seconds)):
                due = begin + number / self._rate
                while not self._stopped and (early := due - time.monotonic()) > 0:
                    time.sleep(min(early, _NAP))
                if self._stopped:
                    break
                for kind, log in logs.items():
                    log.sent += 1
                    workers.submit(send[kind], log, due)
            end = time.monotonic()
        while not self._idle.empty():
            self._idle.get_nowait().close()
        return Report(self._target.url, end - begin, {kind: log.tally(end) for kind, log in logs.items()})

    def _fresh(self, log: _Log, started: float) -> None:
        connection = self._connect()
        try:
            self._ask(connection, log, started)
        except (OSError, http.client.HTTPException) as error:
            log.fail(started, _name(error))
        finally:
            connection.close()

    def _kept(self, log: _Log, started: float) -> None:
        try:
            connection, used = self._idle.get_nowait(), True
        except queue.Empty:
            connection, used = self._connect(), False
        try:
            try:
                self._ask(connection, log, started)
            except (ConnectionError, http.client.RemoteDisconnected, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                # Closed while it lay idle, or about to be: nothing was done. A new connection has no such excuse.
                if not used:
                    raise
                with log.lock:
                    log.retried += 1
                connection.close()
                self._ask(connection, log, started)
        except (OSError, http.client.HTTPException) as error:
            log.fail(started, _name(error))
            connection.close()
        if self._idle.qsize() < KEPT_CONNECTIONS and connection.sock:
            self._idle.put(connection)
        else:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, log: _Log, started: float) -> None:
        connection.request("GET", self._target.path)
        response = connection.getresponse()
        response.read()
        if response.status == 429 and response.getheader("Retry-After") and response.will_close:
            raise _SentAwayError
        if response.status < 300:
            log.succeed(started)
        else:
            log.fail(started, f"status {response.status}")


def _name(error: Exception) -> str:
    if isinstance(error, _SentAwayError):
        return "status 429"
    if isinstance(error, TimeoutError):
        return "timeout"
    # Of what Python has no class for, such as EHOSTUNREACH, the number says more than the class.
    return errno.errorcode.get(error.errno or 0, "OSError") if type(error) is OSError else type(error).__name__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program. 0: no request failed; 1: some did; 2: wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.support.probe", description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate", type=float, default=20, help="requests per second of each kind (default 20)")
    parser.add_argument("--seconds", type=float, default=30, help="how long (default 30); SIGTERM ends it earlier")
    parser.add_argument("--kinds", default="fresh,kept", help="fresh, kept, or both (default)")
    parser.add_argument("--timeout", type=float, default=5, help="seconds for one request (default 5)")
    for name in ("ca", "cert", "key"):
        parser.add_argument(f"--{name}", help="PEM file")
    parser.add_argument("--json", action="store_true", help="print the line as JSON")
    options = parser.parse_args(arguments)
    kinds = tuple(options.kinds.split(","))
    if not set(kinds) <= {"fresh", "kept"}:
        parser.error(f"--kinds {options.kinds}: allowed are fresh and kept")
    target = Target(options.url, options.ca, options.cert, options.key, options.timeout)
    try:
        probe = Probe(target, options.rate, options.seconds, kinds)
    except (ValueError, OSError) as error:
        parser.error(str(error))

    def end(*_: object) -> None:
        probe.stop()
        faulthandler.dump_traceback_later(_LATE)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    print("started", file=sys.stderr, flush=True)
    report = probe.run()
    print(report.to_json() if options.json else report.line())
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
