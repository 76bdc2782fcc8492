"""Fills a cluster with nodes of kwok and with pods on them, and waits until both are there."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench import fake_objects
from bench.kwok import Kwok
from bench.watching import is_ready
from tests.e2e.support.kubectl import Kubectl
from tests.e2e.support.progress import Say
from tests.wait import eventually

_FILL_SECONDS = 900
_EVERY_SECONDS = 3


def fill(kubectl: Kubectl, running: Kwok, nodes: int, pods: int, say: Say) -> tuple[float, float]:
    """Make nodes and pods. Returns the seconds until all nodes were Ready, and then until all pods were running."""
    begun = time.monotonic()
    kubectl("create", "--filename=-", stdin=fake_objects.as_list(fake_objects.nodes(nodes)), timeout=300).ok()

    def all_ready() -> None:
        running.assert_runs()
        found = ready_nodes(kubectl)
        say(f"  {found} of {nodes} nodes are Ready")
        assert found == nodes, f"{found} of {nodes} nodes are Ready and have a network"

    eventually(all_ready, _FILL_SECONDS, "all nodes are Ready", every=_EVERY_SECONDS)
    ready = time.monotonic() - begun
    leases = fake_objects.as_list(fake_objects.leases_of_flannel(nodes))
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=hardway-bench", "--filename=-")
    kubectl(*apply, stdin=leases, timeout=300).ok()
    kubectl("create", "namespace", fake_objects.NAMESPACE).ok()
    return ready, _run(kubectl, running, fake_objects.workloads(pods), pods, say)


def refill(kubectl: Kubectl, running: Kwok, pods: int, say: Say) -> float:
    """Delete all pods and make them again. Returns the seconds until all were running again."""
    limit = f"--timeout={_FILL_SECONDS}s"
    delete = ("delete", "deployments", "--all", f"--namespace={fake_objects.NAMESPACE}", "--cascade=foreground", limit)
    kubectl(*delete, timeout=_FILL_SECONDS + 30).ok()
    deployments = [one for one in fake_objects.workloads(pods) if one["kind"] == "Deployment"]
    return _run(kubectl, running, deployments, pods, say)


def _run(kubectl: Kubectl, running: Kwok, objects: Sequence[Mapping[str, Any]], pods: int, say: Say) -> float:
    """Make the objects, and return the seconds until as many pods are running."""
    begun = time.monotonic()
    kubectl("create", "--filename=-", stdin=fake_objects.as_list(objects), timeout=300).ok()

    def all_run() -> None:
        running.assert_runs()
        found = running_pods(kubectl)
        say(f"  {found} of {pods} pods are running after {time.monotonic() - begun:.0f} s")
        assert found == pods, f"{found} of {pods} pods are running"

    eventually(all_run, _FILL_SECONDS, "all pods are running", every=_EVERY_SECONDS)
    return time.monotonic() - begun


def ready_nodes(kubectl: Kubectl) -> int:
    """How many nodes of kwok are Ready and have a part of the network of pods."""
    (selector,) = (f"{key}={value}" for key, value in fake_objects.SELECTOR.items())
    return sum(
        is_ready(node) and "podCIDR" in node["spec"] for node in kubectl.items("nodes", f"--selector={selector}")
    )


def running_pods(kubectl: Kubectl) -> int:
    """How many pods of the Deployments are running."""
    found = kubectl.items("deployments", f"--namespace={fake_objects.NAMESPACE}")
    return sum(deployment["status"].get("availableReplicas", 0) for deployment in found)
