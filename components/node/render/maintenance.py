"""What a control-plane node needs to remove other nodes from the cluster: a credential that allows only this."""

from __future__ import annotations

from components.node.model import ROOT, NodeFile, NodePart, Ref
from components.node.render.haproxy import kubernetes_ca
from components.pki.kubeconfig import by_files
from components.pki.leaves import MAINTENANCE
from components.pki.names import certificate_of, key_of
from components.topology import NodePlan, Topology

KUBECONFIG = "cfg/maintenance.kubeconfig"
SSL = "ssl/maintenance"


def maintenance(topology: Topology, node: NodePlan) -> NodePart:
    """For root on this node: kubectl, etcdctl."""
    kubeconfig = by_files(
        cluster=topology.cluster_name,
        server=topology.node_local_url,
        user=MAINTENANCE,
        ca=f"{ROOT}/ssl/kubernetes-ca.pem",
        cert=f"{ROOT}/{SSL}/client.pem",
        key=f"{ROOT}/{SSL}/client.key",
    )
    leaf = f"{node.name}-maintenance"
    return NodePart(
        files=(
            NodeFile(KUBECONFIG, kubeconfig),
            kubernetes_ca(),
            NodeFile(f"{SSL}/client.pem", Ref(certificate_of(leaf))),
            NodeFile(f"{SSL}/client.key", Ref(key_of(leaf)), mode=0o600),
        ),
        # The artifact etcd contains etcdctl; on a node without a member the server is unused.
        artifacts=("kubectl", "etcd"),
    )
