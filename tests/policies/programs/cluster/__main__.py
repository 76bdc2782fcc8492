"""The project's PKI for the page, without machines."""

import pulumi

from components import config
from components.pki.cluster_pki import ClusterPki, ClusterPkiArgs
from components.topology import MachineNetwork, plan

page = config.from_pulumi()
hosts = {node.name: 11 + index for index, node in enumerate(page.nodes)}
topology = plan(page, MachineNetwork("10.100.7.0/24", hosts), ("127.0.0.1", 7443))
ClusterPki("pki", ClusterPkiArgs(page, topology))
pulumi.export("nodes", topology.summary())
pulumi.export("endpoint", topology.endpoint_url)
