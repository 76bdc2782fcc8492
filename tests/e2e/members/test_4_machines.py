"""Edits of a node that need another machine: its name, and its address."""

import pytest

from tests.e2e.members.conftest import MASTER, WORKER
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.support.units import invocations, restarted_beside

pytestmark = pytest.mark.long


def machine_ids(cluster: Cluster) -> dict[str, str]:
    """The id of each machine, which no other machine has."""
    return {name: machine.read("/etc/machine-id").strip() for name, machine in cluster.machines.items()}


@pytest.mark.proves_changes("nodes[].name", "nodes[].address")
def test_another_name_or_address_is_another_machine(cluster: Cluster, say: Say) -> None:
    """One worker gets another name, the other worker another address. The control-plane node goes on as it is."""
    before, ids, subnet = invocations(cluster), machine_ids(cluster), cluster.stack.lab.subnet
    address = f"{subnet.rpartition('.')[0]}.61"
    cluster.change(
        {
            # The subnet that the program has chosen. An address on the page needs it there.
            "hardway:machines": {"provider": "local", "subnet": subnet},
            "hardway:nodes": [
                {"name": "cp-1", "roles": MASTER},
                {"name": "worker-1", "roles": WORKER, "address": address},
                {"name": "worker-9", "roles": WORKER},
            ],
        }
    )
    run = cluster.up()
    say(f"  another name and another address in {run.seconds:.1f} s")
    now = machine_ids(cluster)
    assert now["cp-1"] == ids["cp-1"] and not {now["worker-1"], now["worker-9"]} & set(ids.values())
    assert cluster.readiness() == dict.fromkeys(("cp-1", "worker-1", "worker-9"), "True")
    (seen,) = [
        entry["address"]
        for entry in cluster.kubectl.get("node", "worker-1")["status"]["addresses"]
        if entry["type"] == "InternalIP"
    ]
    assert seen == address
    assert restarted_beside(before, cluster, {"worker-1", "worker-2", "worker-9"}) == set()
