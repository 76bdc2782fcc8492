"""Makes the machine of a node anew: `make replace NODE=cp-1`."""

import json
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tools.errors import ToolError
from tools.progress import say
from tools.stack import Stack

MACHINES = ("command:local:Command", "aws:ec2/instance:Instance")
"""Types of the resources that are machines."""
DRAIN_SECONDS = 300
READY_SECONDS = 120


def replace(stack: Stack, node: str, arguments: Sequence[str] = ()) -> int:
    """Replace the machine of `node`, dead or alive, with an `up`; more `arguments` go to Pulumi.

    Pods leave a node that is alive first. Raises ToolError when there is no such machine, when etcd's data would be
    lost, and when pods do not leave; then nothing has changed.
    """
    state = stack.state()
    urn = machine(state, node)
    check_data(state, node)
    admin = Admin(stack)
    known = admin.node(node)
    was_cordoned = bool(known["spec"].get("unschedulable"))
    if admin.answers(node):
        admin.drain(node, was_cordoned)
    else:
        # Its Node looks alive for a while: what takes the place of these pods must not be sent there.
        admin.cordon(node)
        gone = admin.give_up_pods(node)
        say(f"no kubelet answers on {node}: {gone} of its pods are given up, and run on elsewhere")
    code = stack.up(["--replace", urn, *arguments])
    if code == 0:
        admin.await_ready(node, machine_id(known))
        if not was_cordoned:
            admin.uncordon(node)
    return code


def machine(state: Mapping[str, Any], node: str) -> str:
    """The URN of a node's machine. Raises ToolError when there is none that Pulumi made."""
    wanted = f"{node}-machine"
    found = {r["urn"].rpartition("::")[2]: r["urn"] for r in state["resources"] if r["type"] in MACHINES}
    machines = sorted(name.removesuffix("-machine") for name in found if name.endswith("-machine"))
    if wanted not in found or node == "gateway":
        known = [name for name in machines if name != "gateway"]
        if not known:
            raise ToolError(
                "nobody made the machines of this stack: install the host anew, put its new host key on the page "
                "(`make host-keys`), and run `make up`"
            )
        raise ToolError(f"there is no machine {node!r}; machines that can be replaced: {', '.join(known)}")
    return found[wanted]


def is_new_and_ready(node: Mapping[str, Any], before: str) -> bool:
    """Whether a node is Ready in the words of a kubelet on another machine than `before`, a machine id.

    What the old one said last stands for 40 s after its end, and the new one begins with "not Ready".
    """
    conditions = node["status"].get("conditions", [])
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return ready and machine_id(node) != before


def machine_id(node: Mapping[str, Any]) -> str:
    """What a node's kubelet says of its machine, machine-id(5); empty when that is not known."""
    return str(node["status"].get("nodeInfo", {}).get("machineID", ""))


def given_up(pods: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Namespace and name of the pods of a dead machine that somebody makes again at once, wherever that is.

    Not those of a StatefulSet: they promise that there is never a second one, and whether the machine is dead or only
    cut off is certain when Pulumi has deleted it. The new machine runs them, and those that nobody makes again.
    """
    found = []
    for pod in pods:
        owners = pod["metadata"].get("ownerReferences", [])
        if {owner["kind"] for owner in owners if owner.get("controller")} - {"StatefulSet", "Node"}:
            found.append((pod["metadata"]["namespace"], pod["metadata"]["name"]))
    return found


def check_data(state: Mapping[str, Any], node: str) -> None:
    """Raises ToolError for the only member of etcd: it has the only copy, unless that is on a volume of its own."""
    (stack,) = (r for r in state["resources"] if r["type"] == "pulumi:pulumi:Stack")
    members = [name for name, known in stack.get("outputs", {}).get("nodes", {}).items() if "etcd" in known["roles"]]
    on_volume = any(r["type"].endswith(":Volume") and r["urn"].endswith(f"::{node}-data") for r in state["resources"])
    if members == [node] and not on_volume:
        raise ToolError(f"{node} is the only member of etcd, so all data would be lost: add two members first")


class Admin:
    """What is asked of the API, as the administrator. An API that is not there is no reason to stop."""

    def __init__(self, stack: Stack) -> None:
        self._command = [
            str(stack.clone.bin / "kubectl"),
            f"--kubeconfig={stack.clone.kubeconfig(stack.name)}",
            "--request-timeout=10s",
        ]

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)

    def node(self, node: str) -> Mapping[str, Any]:
        """A Node; one of which nothing is known when the API does not show it."""
        found = self._run("get", "node", node, "--output=json")
        known: Mapping[str, Any] = json.loads(found.stdout) if found.returncode == 0 else {"spec": {}, "status": {}}
        return known

    def await_ready(self, node: str, before: str) -> None:
        """Wait until its new machine holds it for Ready. Raises ToolError when that takes too long."""
        limit = time.monotonic() + READY_SECONDS
        while not is_new_and_ready(self.node(node), before):
            if time.monotonic() > limit:
                raise ToolError(
                    f"{node} has a new machine, but is not Ready after {READY_SECONDS} s; it stays cordoned"
                )
            time.sleep(0.5)

    def answers(self, node: str) -> bool:
        """Whether its kubelet does."""
        # Twice, for one that is only slow. Meanwhile services go on asking the pods of a machine that is dead.
        ask = ("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz", "--request-timeout=3s")
        return any(self._run(*ask).returncode == 0 for _ in range(2))

    def give_up_pods(self, node: str) -> int:
        """Delete the objects of pods on a machine that is dead, and return how many that were.

        Services send nothing to them any more; Kubernetes itself would go on with that until it holds the node for
        dead (40 s), and would start others in their place only minutes later.
        """
        found = self._run("get", "pods", "--all-namespaces", f"--field-selector=spec.nodeName={node}", "--output=json")
        pods = given_up(json.loads(found.stdout)["items"]) if found.returncode == 0 else []
        by_namespace: dict[str, list[str]] = {}
        for namespace, name in pods:
            by_namespace.setdefault(namespace, []).append(name)
        at_once = ("--force", "--grace-period=0", "--wait=false")
        return sum(
            len(names)
            for namespace, names in by_namespace.items()
            if self._run("delete", "pod", f"--namespace={namespace}", *at_once, *names).returncode == 0
        )

    def drain(self, node: str, was_cordoned: bool) -> None:
        """Raises ToolError, with the node as it was, when pods stay."""
        say(f"drains {node}")
        # --force: pods that nobody makes again go with the machine in any case.
        how = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={DRAIN_SECONDS}s")
        done = subprocess.run([*self._command[:2], "drain", node, *how], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            if not was_cordoned:
                self.uncordon(node)
            raise ToolError(f"{node} was not replaced, its pods do not leave: {done.stderr.strip()}")

    def cordon(self, node: str) -> None:
        """Let it take no pods."""
        self._run("cordon", node)

    def uncordon(self, node: str) -> None:
        """Let it take pods again."""
        done = self._run("uncordon", node)
        if done.returncode != 0:
            raise ToolError(f"{node} stays cordoned: {done.stderr.strip()}")
