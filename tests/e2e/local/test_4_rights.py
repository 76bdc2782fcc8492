"""The rights of the program in the API: where they come from, who takes them away, how they come back."""

import json

from tests.e2e.local.test_4_security import AUDIT_LOG
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say

BINDING = "hardway-deployers"
RACK = "example.com/rack"


def test_nobody_used_system_masters_but_the_command_that_binds_the_program(cluster: Cluster) -> None:
    """The loopback client of an API server belongs to the group by itself."""
    seen: dict[str, set[str]] = {}
    for machine in cluster.having("control-plane"):
        for line in machine.read(AUDIT_LOG).splitlines():
            user = json.loads(line)["user"]
            # A request without a credential that the API server knows has no user.
            seen.setdefault(user.get("username", ""), set()).update(user.get("groups", []))
        assert machine.run("ls -A /run/hardway | grep ^grant- || true").ok() == "", machine.name
    assert "hardway:deployers" in seen["hardway:deployer"]
    masters = {user for user, groups in seen.items() if "system:masters" in groups}
    assert masters <= {"system:apiserver", "hardway:grant"}


def test_rights_are_taken_away_and_come_back_on_request(cluster: Cluster, say: Say) -> None:
    """A deleted binding is a revocation: an ordinary `up` does not undo it, and says what does."""
    before = cluster.stack.page["hardway:nodes"]
    cluster.kubectl("delete", "clusterrolebinding", BINDING).ok()
    *others, last = before
    cluster.change({"hardway:nodes": [*others, {**last, "labels": {**last.get("labels", {}), RACK: "r1"}}]})
    refused = cluster.up(expected=2)
    command = f"make up STACK={cluster.stack.name} ARGS=\"--replace '**::grant'\""
    assert f"somebody deleted or changed the ClusterRoleBinding {BINDING}." in refused.output, refused.tail()
    assert command in refused.output and RACK not in cluster.kubectl.get("node", last["name"])["metadata"]["labels"]
    run = cluster.stack.up("--replace '**::grant'")
    assert run.code == 0, run.tail()
    assert cluster.kubectl.get("node", last["name"])["metadata"]["labels"][RACK] == "r1"
    cluster.change({"hardway:nodes": before})
    cluster.up()
    say(f"  refused after {refused.seconds:.1f} s, repaired in {run.seconds:.1f} s")
