"""Replaces the machine of a node: `make replace NODE=cp-1`."""

import json
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from components.resource_names import GATEWAY, MACHINE_TYPES, NodeResource, name_of
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.operate import kubectl, lost_volumes, page, protected
from tools.operate.stack import Stack

READY_SECONDS = 120
REQUEST_SECONDS = 10


def replace(stack: Stack, node: str, arguments: Sequence[str] = ()) -> int:
    """Replace the machine of `node`, dead or alive, with an `up`. `arguments` are passed to Pulumi.

    If the policies that `arguments` name refuse the plan, then nothing changes. If the kubelet of the node answers,
    then the node is drained first. Raises ToolError if there is no such machine, if the machine is protected, if the
    data of etcd would be lost, or if pods do not leave: then nothing has changed. Also raises ToolError if the node
    does not become Ready with the new machine.
    """
    state = stack.state()
    urn = machine(state, node)
    check_data(state, node)
    timeout = page.drain_timeout(stack.clone.page(stack.name))
    known_page = page.read(stack.clone.page(stack.name))
    protected.refuse_replacement(page.section(known_page, "machines"), state, [urn])
    admin = Admin(stack)
    known = admin.node(node)
    was_cordoned = bool(known["spec"].get("unschedulable"))
    if lost_volumes.forget(stack, [urn]):
        check_data(stack.state(), node)
    planned = ["--replace", urn, *arguments]
    if code := stack.judge(planned):
        return code
    if admin.answers(node):
        admin.drain(node, was_cordoned, timeout)
    else:
        # For 40 s the API still reports the node as Ready. New pods must not be scheduled on this node.
        admin.cordon(node)
        gone = admin.force_delete_pods(node)
        say(f"the kubelet of {node} does not answer: deleted {gone} of its pods by force, others start elsewhere")
    code = stack.up(planned, asks_policies=False)
    if code == 0:
        admin.await_ready(node, machine_id(known))
        if not was_cordoned:
            admin.uncordon(node)
    return code


def machines(state: Mapping[str, Any]) -> dict[str, str]:
    """The URNs of the machines that Pulumi made, by the name of the node; in a local network also of the gateway."""
    urns = [resource["urn"] for resource in state.get("resources") or [] if resource["type"] in MACHINE_TYPES]
    named = {NodeResource.MACHINE.node_in(name_of(urn)): urn for urn in urns}
    return {name: urn for name, urn in named.items() if name}


def machine(state: Mapping[str, Any], node: str) -> str:
    """The URN of the machine of a node. Raises ToolError if Pulumi did not make such a machine."""
    found = {name: urn for name, urn in machines(state).items() if name != GATEWAY}
    if node not in found:
        known = sorted(found)
        if not known:
            raise ToolError(
                "Pulumi did not make the machines of this stack: reinstall the host, put its new host key on the page "
                "(`make host-keys`), and run `make up`"
            )
        raise ToolError(f"there is no machine {node!r}; machines that can be replaced: {', '.join(known)}")
    return found[node]


def is_new_and_ready(node: Mapping[str, Any], before: str) -> bool:
    """Whether the kubelet of a new machine reports the node as Ready. `before` is the id of the old machine.

    The last report of the old kubelet counts for 40 s after its end. The first report of the new kubelet is "not
    Ready".
    """
    conditions = node["status"].get("conditions", [])
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return ready and machine_id(node) != before


def machine_id(node: Mapping[str, Any]) -> str:
    """The machine id that the kubelet of a node reports, machine-id(5). Empty if unknown."""
    return str(node["status"].get("nodeInfo", {}).get("machineID", ""))


def replaceable_pods(pods: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Namespace and name of the pods of a dead machine whose controllers start other pods elsewhere at once.

    Pods of StatefulSets are left out, because there must never be two of one: the machine may be only cut off from the
    network until Pulumi has deleted it. The new machine runs these pods, and the pods without a controller.
    """
    found = []
    for pod in pods:
        owners = pod["metadata"].get("ownerReferences", [])
        if {owner["kind"] for owner in owners if owner.get("controller")} - {"StatefulSet", "Node"}:
            found.append((pod["metadata"]["namespace"], pod["metadata"]["name"]))
    return found


def check_data(state: Mapping[str, Any], node: str) -> None:
    """Raises ToolError if the node is the only member of etcd, unless its data is on a separate volume."""
    (stack,) = (r for r in state["resources"] if r["type"] == "pulumi:pulumi:Stack")
    members = [name for name, known in stack.get("outputs", {}).get("nodes", {}).items() if "etcd" in known["roles"]]
    volumes = {name_of(resource["urn"]) for resource in state["resources"] if resource["type"].endswith(":Volume")}
    on_volume = NodeResource.DATA.name_for(node) in volumes
    if members == [node] and not on_volume:
        raise ToolError(
            f"{node} is the only member of etcd, so all data would be lost: add two members first; if the data "
            "is lost already, restore a snapshot: docs/backup.md"
        )


class Admin:
    """Requests to the API with the kubeconfig of the admin. An API that does not answer does not stop the replacement.

    Raises ToolError if there is no kubectl.
    """

    def __init__(self, stack: Stack) -> None:
        self._command = kubectl.required(stack, REQUEST_SECONDS)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)

    def node(self, node: str) -> Mapping[str, Any]:
        """The Node object of `node`, with empty `spec` and `status` if the API does not return the object."""
        found = self._run("get", "node", node, "--output=json")
        known: Mapping[str, Any] = json.loads(found.stdout) if found.returncode == 0 else {"spec": {}, "status": {}}
        return known

    def await_ready(self, node: str, before: str) -> None:
        """Wait until the kubelet of the new machine reports the node as Ready. Raises ToolError after READY_SECONDS."""
        limit = time.monotonic() + READY_SECONDS
        while not is_new_and_ready(self.node(node), before):
            if time.monotonic() > limit:
                raise ToolError(
                    f"{node} has a new machine, but is not Ready after {READY_SECONDS} s; the node stays cordoned"
                )
            time.sleep(0.5)

    def answers(self, node: str) -> bool:
        """Whether the kubelet of the node answers."""
        # Two requests, in case the kubelet is only slow. Not more: services still send requests to a dead machine.
        ask = ("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz", "--request-timeout=3s")
        return any(self._run(*ask).returncode == 0 for _ in range(2))

    def force_delete_pods(self, node: str) -> int:
        """Delete the Pod objects of a dead machine, and return their number.

        Then services send nothing to these pods any more, and other pods start at once. Without this, Kubernetes sends
        requests until it considers the node dead (40 s), and starts other pods minutes later.
        """
        found = self._run("get", "pods", "--all-namespaces", f"--field-selector=spec.nodeName={node}", "--output=json")
        pods = replaceable_pods(json.loads(found.stdout)["items"]) if found.returncode == 0 else []
        by_namespace: dict[str, list[str]] = {}
        for namespace, name in pods:
            by_namespace.setdefault(namespace, []).append(name)
        at_once = ("--force", "--grace-period=0", "--wait=false")
        return sum(
            len(names)
            for namespace, names in by_namespace.items()
            if self._run("delete", "pod", f"--namespace={namespace}", *at_once, *names).returncode == 0
        )

    def drain(self, node: str, was_cordoned: bool, timeout: timedelta) -> None:
        """Drain the node. If pods stay, raises ToolError and uncordons the node, unless it `was_cordoned` before."""
        say(f"draining {node}")
        # --force: pods without a controller are lost with the machine in any case.
        how = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={int(timeout.total_seconds())}s")
        done = subprocess.run([*self._command[:2], "drain", node, *how], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            if not was_cordoned:
                self.uncordon(node)
            raise ToolError(f"{node} was not replaced, because its pods did not leave: {done.stderr.strip()}")

    def cordon(self, node: str) -> None:
        """Keep new pods away from the node. A failure is ignored, because the API may not answer."""
        self._run("cordon", node)

    def uncordon(self, node: str) -> None:
        """Allow new pods on the node. Raises ToolError if the request fails."""
        done = self._run("uncordon", node)
        if done.returncode != 0:
            raise ToolError(f"{node} is still cordoned: {done.stderr.strip()}")
