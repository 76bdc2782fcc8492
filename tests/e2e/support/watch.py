"""Everybody who asks a cluster while it is changed: people, programs on a node, and users of a service."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubeconfig import Credentials, unpack
from tests.e2e.support.probe import MAX_SECONDS, Report
from tests.e2e.support.probing import Probing, probing
from tests.e2e.support.progress import Say

# One object, so that every request is a read from etcd by a quorum of its members.
OBJECT = "/api/v1/namespaces/kube-system"
NODE_LOCAL = f"https://127.0.0.1:16443{OBJECT}"


@dataclass
class Watch:
    """Probes that are under way, by what they ask. `reports` ends them."""

    probes: dict[str, Probing]
    say: Say

    def reports(self) -> list[Report]:
        """End the probes, say a line for each, and give their findings."""
        found = {what: probe.report() for what, probe in self.probes.items()}
        for what, report in found.items():
            self.say(f"  {what}: {report.line()}")
        return list(found.values())

    def assert_none_failed(self) -> None:
        """End the probes. Raises AssertionError if any request failed."""
        failed = [report.line() for report in self.reports() if report.failed or not report.requests]
        assert not failed, "\n".join(failed)


@contextlib.contextmanager
def watching(cluster: Cluster, inside: Sequence[str], services: Sequence[str], say: Say) -> Iterator[Watch]:
    """Ask the API at its endpoint and through proxies of the machines `inside`, and `services` from the first one.

    Each probe sends 20 requests a second over new connections and 20 over kept ones.
    """
    admin = unpack(cluster.stack.kubeconfig, cluster.stack.folder / "admin")
    machines = [cluster.machines[name] for name in inside]
    asked: dict[str, tuple[int | None, str, Credentials | None]] = {
        "endpoint": (None, cluster.stack.output("endpoint") + OBJECT, admin),
        **{f"proxy of {name}": (index, NODE_LOCAL, admin) for index, name in enumerate(inside)},
        **{f"service from {inside[0]}": (0, url, None) for url in services},
    }
    with contextlib.ExitStack() as stack:
        probes = {
            what: stack.enter_context(
                probing(machines[index] if index is not None else None, url, MAX_SECONDS, credentials)
            )
            for what, (index, url, credentials) in asked.items()
        }
        yield Watch(probes, say)
