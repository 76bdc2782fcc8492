"""Sends requests to an HTTP(S) URL at a steady rate, and prints one line about failures at its end.

    python -m tests.e2e.support.probe --url https://127.0.0.1:16443/version --rate 20 --seconds 30 --ca ca.pem ...

There are two kinds of requests, each at this rate: `fresh` requests with a new connection (and TLS handshake), and
`kept` requests over connections that stay open. Requests are sent on schedule, also if earlier ones are not answered.

Two kinds of answers over a kept connection are counted as retried, and the GET is sent once more. If the other side had
closed the connection, every HTTP client repeats the GET. If a server that stops answers with 429, `Retry-After` and
`Connection: close` (kube-apiserver's --shutdown-send-retry-after), Kubernetes' clients repeat the GET. Every other
result that is not a status below 300 is a failure. Standard library only.
"""

import argparse
import asyncio
import errno
import faulthandler
import itertools
import json
import signal
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

from tests.e2e.support.connection import Connection

MAX_RATE, MAX_SECONDS = 200.0, 900.0
ANSWER_SECONDS = 10.0
"""Seconds after which a request without an answer has failed: the time in which Kubernetes' own leaders have to reach
the API (--leader-elect-renew-deadline). A request that a restart lost is never answered, or fails at once."""
KEPT_CONNECTIONS = 4
_NAP = 0.1
_LATE = 25.0
"""Seconds after `stop` at which a program that still runs prints its stacks: two attempts may take 10 s each."""


@dataclass(frozen=True)
class Target:
    """The target of requests. Files are paths. Without `ca` the certificate of an HTTPS server is not verified."""

    url: str
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    timeout: float = ANSWER_SECONDS

    def connector(self) -> Callable[[], Connection]:
        """A function that makes connections. They are not open yet."""
        parts = urlsplit(self.url)
        tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if tls else 80)
        context = self._context() if tls else None
        return lambda: Connection(host, port, context, self.timeout)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        if self.ca is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.cert:
            context.load_cert_chain(self.cert, self.key)
        return context

    @property
    def path(self) -> str:
        """The path and query of the URL."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@dataclass(frozen=True)
class Tally:
    """Results of requests of one kind. The gap is in seconds, latencies of answered requests are in milliseconds."""

    requests: int
    failed: int
    retried: int
    longest_gap: float
    p50: float
    p99: float
    reasons: dict[str, int]
    failed_between: tuple[float, float] | None = None
    """When the first and the last failed request were sent, in seconds since the start of the probe."""

    def line(self) -> str:
        """The results as a part of a line."""
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
    """The results of a probe."""

    url: str
    seconds: float
    kinds: dict[str, Tally]

    @property
    def requests(self) -> int:
        """The number of requests of all kinds."""
        return sum(tally.requests for tally in self.kinds.values())

    @property
    def failed(self) -> int:
        """The number of failures of all kinds."""
        return sum(tally.failed for tally in self.kinds.values())

    @property
    def longest_gap(self) -> float:
        """The longest time in seconds without a success of one kind."""
        return max(tally.longest_gap for tally in self.kinds.values())

    def line(self) -> str:
        """The results as one line."""
        kinds = "; ".join(f"{kind}: {tally.line()}" for kind, tally in self.kinds.items())
        return f"probe {self.url} for {self.seconds:.1f} s: {kinds}"

    def to_json(self) -> str:
        """The results as one line of JSON, for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Parse the output of `to_json`."""
        data = json.loads(text)
        return cls(data["url"], data["seconds"], {kind: Tally(**tally) for kind, tally in data["kinds"].items()})


@dataclass
class _Log:
    """Collects results of requests of one kind."""

    begin: float
    sent: int = 0
    retried: int = 0
    successes: list[tuple[float, float]] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)

    def succeed(self, started: float) -> None:
        now = time.monotonic()
        self.successes.append((now, now - started))

    def fail(self, started: float, reason: str) -> None:
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
    """The server stops, and has closed the connection without executing the request."""


class Probe:
    """A probe of one target. `stop` may be called from a signal handler."""

    def __init__(self, target: Target, rate: float, seconds: float, kinds: Sequence[str] = ("fresh", "kept")) -> None:
        if not 0 < rate <= MAX_RATE or not 0 < seconds <= MAX_SECONDS:
            raise ValueError(f"rate {rate}, seconds {seconds}: at most {MAX_RATE:.0f}/s for {MAX_SECONDS:.0f} s")
        self._target, self._rate, self._seconds, self._kinds = target, rate, seconds, kinds
        self._connect = target.connector()
        self._idle: list[Connection] = []
        self._stopped = False

    def stop(self) -> None:
        """End early."""
        # Not an Event: a signal handler may run while its thread holds the lock of the Event, which `set` needs too.
        # Then the probe would never end.
        self._stopped = True

    def run(self) -> Report:
        """Send requests until the time is over or `stop` is called, and wait for the answers."""
        return asyncio.run(self._run())

    async def _run(self) -> Report:
        begin = time.monotonic()
        logs = {kind: _Log(begin) for kind in self._kinds}
        send = {"fresh": self._fresh, "kept": self._kept}
        async with asyncio.TaskGroup() as requests:
            for number in range(int(self._rate * self._seconds)):
                due = begin + number / self._rate
                while not self._stopped and (early := due - time.monotonic()) > 0:
                    await asyncio.sleep(min(early, _NAP))
                if self._stopped:
                    break
                for kind, log in logs.items():
                    log.sent += 1
                    requests.create_task(send[kind](log, due))
            end = time.monotonic()
        for connection in self._idle:
            connection.close()
        return Report(self._target.url, end - begin, {kind: log.tally(end) for kind, log in logs.items()})

    async def _fresh(self, log: _Log, started: float) -> None:
        connection = self._connect()
        try:
            await self._ask(connection, log, started)
        except (OSError, EOFError) as error:
            log.fail(started, _name(error))
        finally:
            connection.close()

    async def _kept(self, log: _Log, started: float) -> None:
        connection, used = (self._idle.pop(), True) if self._idle else (self._connect(), False)
        try:
            try:
                await self._ask(connection, log, started)
            except (ConnectionError, EOFError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                # An idle connection was closed, so nothing was executed. On a new connection this is a failure.
                if not used:
                    raise
                log.retried += 1
                connection.close()
                await self._ask(connection, log, started)
        except (OSError, EOFError) as error:
            log.fail(started, _name(error))
            connection.close()
        if len(self._idle) < KEPT_CONNECTIONS and connection.is_open:
            self._idle.append(connection)
        else:
            connection.close()

    async def _ask(self, connection: Connection, log: _Log, started: float) -> None:
        answer = await connection.get(self._target.path)
        if answer.status == 429 and answer.retry_after and answer.closes:
            raise _SentAwayError
        if answer.status < 300:
            log.succeed(started)
        else:
            log.fail(started, f"status {answer.status} {answer.words}".rstrip())


def _name(error: Exception) -> str:
    if isinstance(error, _SentAwayError):
        return "status 429"
    if isinstance(error, TimeoutError):
        return "timeout"
    # Python has no class for some errors, such as EHOSTUNREACH: their error name says more than the class.
    return errno.errorcode.get(error.errno or 0, "OSError") if type(error) is OSError else type(error).__name__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program. 0: no request failed; 1: some did; 2: wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.support.probe", description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate", type=float, default=20, help="requests per second of each kind (default 20)")
    parser.add_argument("--seconds", type=float, default=30, help="how long (default 30); SIGTERM ends it earlier")
    parser.add_argument("--kinds", default="fresh,kept", help="fresh, kept, or both (default)")
    parser.add_argument(
        "--timeout", type=float, default=ANSWER_SECONDS, help="seconds for one request (default %(default)s)"
    )
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
