"""What a kubelet keeps from pods on a machine with its own kernel, and where the page decides instead."""

import json
from typing import Any

import pytest
from clusters import cluster

from components.node.render.kubelet_on_machine import RESERVED, SYSCTLS

GATES = ("GracefulNodeShutdown", "GracefulNodeShutdownBasedOnPodPriority", "WindowsGracefulNodeShutdown")
"""The page refuses to turn the first off without the others."""


def written(name: str, node: str, fields: dict[str, Any] | None = None) -> dict[str, str]:
    """Path and text of each file of a node whose page has these fields of the kubelet."""
    part = cluster(name, {"extraConfig.kubelet": fields or {}}).part(node)
    return {file.path: file.content for file in part.files if isinstance(file.content, str)}


def configuration(name: str, node: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(written(name, node, fields)["cfg/kubelet.json"])
    return found


def test_a_machine_sets_what_its_kubelet_asks_for() -> None:
    """The kubelet refuses to start if a setting differs, and does not change it."""
    found = written("existing", "worker-1")
    assert configuration("existing", "worker-1")["protectKernelDefaults"] is True
    for name, value in SYSCTLS.items():
        assert f"{name} = {value}\n" in found["cfg/sysctl.conf"]


def test_a_container_leaves_all_of_it_to_its_host() -> None:
    found = written("stacked", "cp-1")
    assert RESERVED not in found
    assert "kernel.panic" not in found["cfg/sysctl.conf"]
    assert not {"protectKernelDefaults", "shutdownGracePeriod"} & set(configuration("stacked", "cp-1"))


@pytest.mark.parametrize(("node", "services"), [("cp-1", 512), ("worker-1", 0)])
def test_etcd_and_api_servers_have_a_part_of_their_own(node: str, services: int) -> None:
    reserved = json.loads(written("existing", node)[RESERVED])["kubeReserved"]
    assert reserved["memory"] == f"@RESERVED_MEMORY+{services}@Mi"


def test_the_page_decides_what_is_reserved() -> None:
    """A file of the machine would have priority over kubelet.json, so there is none."""
    found = written("existing", "cp-1", {"kubeReserved": {"memory": "2Gi"}})
    assert RESERVED not in found
    assert json.loads(found["cfg/kubelet.json"])["kubeReserved"] == {"memory": "2Gi"}


@pytest.mark.parametrize(
    "fields",
    [
        {"shutdownGracePeriod": "10s"},
        {"shutdownGracePeriodByPodPriority": [{"priority": 0, "shutdownGracePeriodSeconds": 10}]},
        {"featureGates": dict.fromkeys(GATES, False)},
    ],
)
def test_the_page_decides_how_a_machine_shuts_down(fields: dict[str, Any]) -> None:
    """A kubelet refuses two ways at a time, and more time for critical pods than for all pods."""
    found = configuration("existing", "worker-1", fields)
    assert {key: value for key, value in found.items() if key.startswith("shutdown")} == {
        key: value for key, value in fields.items() if key.startswith("shutdown")
    }
