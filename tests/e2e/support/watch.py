"""Probes during a change of a cluster, in the place of people, of programs on a node, and of users of a service."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubeconfig import Credentials, unpack
from tests.e2e.support.probe import MAX_SECONDS, Report
from tests.e2e.support.probing import Probing, probing
from tests.e2e.support.progress import Say

# One object, because the API server reads single objects from a quorum of etcd.
OBJECT = "/api/v1/namespaces/kube-system"
NODE_LOCAL = f"https://127.0.0.1:16443{OBJECT}"
_CAUSES = "remote_available_controller.*failed with|became not ready|panic:|Out of memory"
"""Lines of journals that say why pods or an aggregated API left the load balancing, and reasons of events that do."""
_REASONS = ("Unhealthy", "NodeNotReady", "BackOff", "FailedMount")
_MOST_LINES = 6


@dataclass
class Watch:
    """Running probes by their targets. `reports` ends them."""

    probes: dict[str, Probing]
    say: Say
    cluster: Cluster
    begun: float = field(default_factory=time.time)

    def reports(self) -> list[Report]:
        """End the probes, print a line for each, and return their results."""
        found = {what: probe.report() for what, probe in self.probes.items()}
        for what, report in found.items():
            self.say(f"  {what}: {report.line()}")
        return list(found.values())

    def assert_none_failed(self) -> None:
        """End the probes. Raises AssertionError if any request failed."""
        failed = [report.line() for report in self.reports() if report.failed or not report.requests]
        assert not failed, "\n".join([*failed, *self._causes()])

    def _causes(self) -> Iterator[str]:
        """Lines of journals, and events, since the start of the probes."""
        since = f"journalctl --since @{int(self.begun)} --no-pager --output short-iso"
        for machine in self.cluster.machines.values():
            found = machine.run(f"{since} | grep -E '{_CAUSES}' | cut -c 1-300 | head -n {_MOST_LINES}")
            yield from found.text.splitlines()
        since = datetime.fromtimestamp(self.begun, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for event in self.cluster.kubectl.items("events", "--all-namespaces"):
            when = str(event.get("lastTimestamp") or event.get("eventTime"))
            if event["reason"] in _REASONS and when >= since:
                yield f"{when} {event['involvedObject'].get('name')}: {event['message'][:250]}"


@contextlib.contextmanager
def watching(
    cluster: Cluster, inside: Sequence[str], services: Sequence[str], say: Say, aggregated: str = ""
) -> Iterator[Watch]:
    """Probes of the API at its endpoint and through proxies of the machines `inside`, and of `services` from the first.

    Each probe sends RATE requests a second over new connections, and as many over kept connections.
    """
    admin = unpack(cluster.stack.kubeconfig, cluster.stack.folder / "admin")
    machines = [cluster.machines[name] for name in inside]
    asked: dict[str, tuple[int | None, str, Credentials | None]] = {
        "endpoint": (None, cluster.stack.output("endpoint") + OBJECT, admin),
        **{f"proxy of {name}": (index, NODE_LOCAL, admin) for index, name in enumerate(inside)},
        **({"aggregated API": (None, cluster.stack.output("endpoint") + aggregated, admin)} if aggregated else {}),
        **{f"service from {inside[0]}": (0, url, None) for url in services},
    }
    with contextlib.ExitStack() as stack:
        probes = {
            what: stack.enter_context(
                probing(machines[index] if index is not None else None, url, MAX_SECONDS, credentials)
            )
            for what, (index, url, credentials) in asked.items()
        }
        yield Watch(probes, say, cluster)
