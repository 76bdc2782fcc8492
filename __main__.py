"""A highly available Kubernetes cluster from upstream binaries: this file is its table of contents."""

import pulumi

from components import config
from components.addons.apply import Addons, AddonsArgs
from components.artifact_source import OUTPUT, ArtifactSource
from components.cluster_api import cluster_provider
from components.config.backup import RESTORED
from components.config.given import given_identities
from components.control_plane import ControlPlane, ControlPlaneArgs
from components.etcd import EtcdCluster, EtcdClusterArgs
from components.fixed import fixed_values, refuse_changes
from components.garbage import collect_nothing
from components.last_run import GENERATIONS, GIVEN, LastRun
from components.membership.component import Membership, MembershipArgs
from components.pki.cluster_pki import ClusterPki, ClusterPkiArgs
from components.pki.inventory import keys_in_use
from components.rollout.before_upgrade import snapshot_before_upgrade
from components.rollout.operator_commands import cis_commands, snapshot_commands, status_commands, upkeep_commands
from components.rollout.restore import EtcdRestore, EtcdRestoreArgs
from components.rollout.rights import grant_rights
from components.rollout.rotation import Rotation, RotationArgs, begin_step
from components.rollout.staging import StagingArgs, stage_nodes
from components.sdk import patch_sdk
from components.site import Site
from components.worker_pool import WorkerPool, WorkerPoolArgs

collect_nothing()
patch_sdk()

# The page, with what the last run has recorded, and names and addresses that follow: known before anything runs
written, last_run = config.from_pulumi(), LastRun()
source = ArtifactSource(written, pulumi.get_stack(), last_run.is_first)
page = source.page
site = Site(page, pulumi.get_stack())
topology = site.topology

# Changes of fixed values are refused before anything else happens
refuse_changes(fixed_values(page, topology))
last_run.refuse_steps_out_of_order(page)
last_run.refuse_other_authorities(page)
recorded = source.record()

# Machines, certificates, and a staged release for every machine
machines = site.make_machines()
pki = ClusterPki("pki", ClusterPkiArgs(page, topology))
begun = begin_step(page.pki.generations)
staged = stage_nodes(StagingArgs(page, topology, machines, pki, site.lock, [*recorded, *([begun] if begun else [])]))

# Releases are activated one after the other: etcd members, control plane, workers
before = snapshot_before_upgrade(page.versions, topology, staged) if page.backup else []
if page.restore:
    before += EtcdRestore("restore", EtcdRestoreArgs(page.restore, topology, staged)).begun
etcd = EtcdCluster("etcd", EtcdClusterArgs(topology, staged, before))
control_plane = ControlPlane("control-plane", ControlPlaneArgs(topology, staged, etcd, pki, machines.load_balancer))
granted = grant_rights(control_plane, topology, staged, page.restore, control_plane.ready)
workers = WorkerPool("workers", WorkerPoolArgs(topology, staged, control_plane.ready, page.rollout))

# After a step of a rotation, the API and the kubelets get the generations on the page
rotation = Rotation(
    "rotation",
    RotationArgs(
        page.pki.generations,
        begun,
        page.restore,
        topology,
        staged,
        control_plane.node_local_kubeconfig("deployer"),
        [*control_plane.ready, granted],
        workers.activated,
        page.rollout.at_once(len(topology.plain_workers)),
    ),
)

# Through the API of the new cluster
provider = cluster_provider(page.cluster.name, control_plane, granted, page.rollout.api_timeout)
addons = Addons(
    "addons",
    AddonsArgs(
        page,
        topology,
        site.lock,
        pki.bootstrap_tokens,
        control_plane.kubeconfig("deployer"),
        rotation.settled,
    ),
    pulumi.ResourceOptions(providers=[provider], deleted_with=control_plane),
)

# Nodes that the page no longer has are removed at the end; then Pulumi deletes their machines
done = [*control_plane.ready, *workers.activated.values(), *rotation.renewed.values(), addons.maintenance]
done += machines.authorized
Membership("membership", MembershipArgs(topology, machines.by_name, page.rollout.drain_timeout, done))

pulumi.export("kubeconfig", control_plane.kubeconfig("admin"))
pulumi.export("kubeconfigSha256", control_plane.kubeconfig_sha256("admin"))
pulumi.export("developerKubeconfigs", control_plane.developer_kubeconfigs(page.access.developers))
if page.access.oidc:
    pulumi.export("loginKubeconfig", control_plane.login_kubeconfig(page.access.oidc))
if page.access.proxy:
    pulumi.export("proxyCredentials", control_plane.proxy_credentials(page.access.proxy.names))
pulumi.export(OUTPUT, source.name)
pulumi.export("endpoint", control_plane.endpoint)
pulumi.export("nodes", topology.summary())
pulumi.export("certificates", pki.certificates)
pulumi.export("keys", keys_in_use(page.pki.generations, ssh=not page.machines.takes_ssh))
pulumi.export(GENERATIONS, last_run.generations(page, done))
if identities := given_identities(page):
    pulumi.export(GIVEN, identities)
pulumi.export("etcd", etcd.status)
pulumi.export("status", status_commands(staged))
pulumi.export("cis", cis_commands(staged))
pulumi.export("etcdUpkeep", upkeep_commands(topology, staged))
if page.backup:
    pulumi.export("backup", snapshot_commands(topology, staged))
    pulumi.export("backupPassword", pki.backup_password)
if (restored := last_run.restored(page, done)) is not None:
    pulumi.export(RESTORED, restored)
for name, value in machines.outputs.items():
    pulumi.export(name, value)
