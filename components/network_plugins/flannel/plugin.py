"""flannel as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.config import Page
from components.network_plugins.contract import NetworkPlugin, ObjectsArgs
from components.network_plugins.flannel.node import node_part
from components.node.model import NodePart


class _Flannel:
    def node_part(self, page: Page) -> NodePart:
        """The CNI configuration and the units that install it."""
        return node_part(page.network.pod_cidr)

    def make_objects(self, name: str, args: ObjectsArgs, opts: pulumi.ResourceOptions) -> Sequence[pulumi.Resource]:
        """Flanneld on every node, as a DaemonSet or one for each architecture."""
        # Imported here: code that renders files of nodes does not need the SDK of Kubernetes.
        from components.network_plugins.flannel.objects import Flannel, FlannelArgs

        wanted = FlannelArgs(args.page.network, args.images["flannel"], args.node_local_port, args.trust)
        return Flannel(name, wanted, opts).daemons


FLANNEL: NetworkPlugin = _Flannel()
