"""Makes the machine of a node anew: `make replace NODE=cp-1`."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from tools.errors import ToolError
from tools.progress import say
from tools.stack import Stack

MACHINES = ("command:local:Command", "aws:ec2/instance:Instance")
"""Types of the resources that are machines."""
DRAIN_SECONDS = 300


def replace(stack: Stack, node: str, arguments: Sequence[str] = ()) -> int:
    """Replace the machine of `node`, dead or alive, with an `up`; more `arguments` go to Pulumi.

    Pods leave a node that is alive first. Raises ToolError when there is no such machine, when etcd's data would be
    lost, and when pods do not leave; then nothing has changed.
    """
    state = stack.state()
    urn = machine(state, node)
    check_data(state, node)
    admin = Admin(stack)
    was_cordoned = admin.is_cordoned(node)
    if admin.answers(node):
        admin.drain(node, was_cordoned)
    else:
        say(f"no kubelet answers on {node}: its pods are not waited for")
    code = stack.up(["--replace", urn, *arguments])
    if code == 0 and not was_cordoned:
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

    def is_cordoned(self, node: str) -> bool:
        """Whether somebody has cordoned it before."""
        found = self._run("get", "node", node, "--output=json")
        return found.returncode == 0 and bool(json.loads(found.stdout)["spec"].get("unschedulable"))

    def answers(self, node: str) -> bool:
        """Whether its kubelet does."""
        return self._run("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz").returncode == 0

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

    def uncordon(self, node: str) -> None:
        """Let it take pods again."""
        done = self._run("uncordon", node)
        if done.returncode != 0:
            raise ToolError(f"{node} stays cordoned: {done.stderr.strip()}")
