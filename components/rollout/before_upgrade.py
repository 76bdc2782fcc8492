"""The snapshot of etcd before an upgrade."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.config.cluster import Versions
from components.resource_names import BEFORE_UPGRADE
from components.rollout.node_release import StagedNode, command_on
from components.rollout.restore import first_to_activate
from components.topology import Topology


def snapshot_before_upgrade(
    versions: Versions, topology: Topology, staged: Mapping[str, StagedNode]
) -> list[pulumi.Resource]:
    """A command that takes a snapshot and reads it back, if other minor versions of etcd or of Kubernetes run.

    The command line has the minor versions, so that the command runs once for each upgrade: the state records a
    snapshot that was taken, and a run that goes on with the upgrade takes no further one. If the command fails, no
    release is activated. It runs on the member that is activated first, when every release is staged.
    """
    first = staged[first_to_activate(topology).name]
    minors = " ".join(".".join(version.split(".")[:2]) for version in (versions.etcd, versions.kubernetes))
    script = first.newest_script("backup", f"before-upgrade {minors}")
    return [command_on(BEFORE_UPGRADE, first.machine, script, None, None, [node.command for node in staged.values()])]
