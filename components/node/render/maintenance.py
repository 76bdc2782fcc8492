"""What a control-plane node needs to take other nodes out of the cluster: a credential for that alone, and a script."""

from __future__ import annotations

from pathlib import Path

from components.node.model import ROOT, NodeFile, Part, Ref
from components.node.render.etcd import asking
from components.node.render.haproxy import kubernetes_ca
from components.pki.kubeconfig import by_files
from components.pki.leaves import MAINTENANCE
from components.topology import NodePlan, Topology

SCRIPT = "cfg/membership.sh"
KUBECONFIG = "cfg/maintenance.kubeconfig"
SSL = "ssl/maintenance"


def maintenance(topology: Topology, node: NodePlan) -> Part:
    """For root on this node: `membership.sh`, kubectl, etcdctl."""
    kubeconfig = by_files(
        cluster=topology.cluster_name,
        server=topology.node_local_url,
        user=MAINTENANCE,
        ca=f"{ROOT}/ssl/kubernetes-ca.pem",
        cert=f"{ROOT}/{SSL}/client.pem",
        key=f"{ROOT}/{SSL}/client.key",
    )
    leaf = f"{node.name}-maintenance"
    return Part(
        files=(
            NodeFile(SCRIPT, (Path(__file__).parents[1] / "membership.sh").read_text(), mode=0o755),
            asking(),
            NodeFile(KUBECONFIG, kubeconfig),
            kubernetes_ca(),
            NodeFile(f"{SSL}/client.pem", Ref(f"{leaf}:cert")),
            NodeFile(f"{SSL}/client.key", Ref(f"{leaf}:key"), mode=0o600),
        ),
        # etcdctl is in it; where there is no member the server lies unused.
        artifacts=("kubectl", "etcd"),
    )
