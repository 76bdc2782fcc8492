"""A highly available Kubernetes cluster from upstream binaries: this file is its table of contents."""

import pulumi

from components import config
from components.addons.apply import Addons, AddonsArgs
from components.cluster_api import cluster_provider
from components.control_plane import ControlPlane, ControlPlaneArgs
from components.etcd import EtcdCluster, EtcdClusterArgs
from components.membership import Membership, MembershipArgs
from components.pki.cluster_pki import ClusterPki, ClusterPkiArgs
from components.sdk import lighten
from components.site import Site
from components.staging import StagingArgs, stage_nodes
from components.worker_pool import WorkerPool, WorkerPoolArgs

lighten()

# What is wanted, and where: pure, known before anything runs
page = config.from_pulumi()
site = Site(page, pulumi.get_stack())
topology = site.topology

# Machines, certificates, and what every machine should look like
machines = site.make_machines()
pki = ClusterPki("pki", ClusterPkiArgs(page, topology))
staged = stage_nodes(StagingArgs(page, topology, machines, pki, site.lock))

# In force one after the other: etcd members, control plane, workers
etcd = EtcdCluster("etcd", EtcdClusterArgs(topology, staged))
control_plane = ControlPlane("control-plane", ControlPlaneArgs(topology, staged, etcd, pki, machines.load_balancer))
workers = WorkerPool("workers", WorkerPoolArgs(topology, staged, control_plane.ready, page.rollout))

# Through the API of the new cluster
provider = cluster_provider(page.cluster.name, control_plane)
addons = Addons(
    "addons",
    AddonsArgs(page, topology, site.lock, pki.bootstrap_token),
    pulumi.ResourceOptions(providers=[provider], deleted_with=control_plane),
)

# Who left the page leaves the cluster, once all else is done; then Pulumi deletes the machines
done = [*control_plane.ready, *workers.activated.values(), addons.maintenance]
Membership("membership", MembershipArgs(topology, machines.by_name, page.rollout.drain_timeout, done))

pulumi.export("kubeconfig", control_plane.kubeconfig("admin"))
pulumi.export("kubeconfigSha256", control_plane.kubeconfig_sha256("admin"))
pulumi.export("developerKubeconfigs", control_plane.developer_kubeconfigs(page.access.developers))
pulumi.export("endpoint", control_plane.endpoint)
pulumi.export("nodes", topology.summary())
pulumi.export("certificates", pki.certificates)
pulumi.export("etcd", etcd.status)
for name, value in machines.outputs.items():
    pulumi.export(name, value)
