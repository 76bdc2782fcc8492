"""Where a stack in AWS lives: its addresses follow from the page, the rest is asked of the account."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.config import Page
from components.config.aws import AwsMachines as AwsPage
from components.config.aws_places import place_nodes
from components.machines.base import Machines
from components.topology import Topology, plan


@dataclass(frozen=True)
class AwsSite:
    """The account's side of a stack."""

    page: Page
    aws: AwsPage
    stack: str

    def topology(self, page: Page) -> Topology:
        """The page with the addresses that it leaves out.

        The load balancer's own name is known only when it is there. Certificates are for the page's name for it, else
        for one that every API server has anyway, and kubeconfigs say that they expect that one.
        """
        name = self.aws.endpoint.name or f"kubernetes.default.svc.{page.cluster.domain}"
        addresses = {node: place.address for node, place in place_nodes(self.aws, page.nodes).items()}
        return plan(page, None, (name, page.api.port), addresses=addresses)

    def make_machines(self, topology: Topology) -> Machines:
        """The instances. Raises pulumi.RunError when the account does not have what the page asks for."""
        # Only here: the package is a large one, and most stacks are elsewhere.
        import pulumi_aws as aws

        from components.machines.aws.account import inspect_account
        from components.machines.aws.machines import AwsMachines, AwsMachinesArgs
        from components.machines.aws.tags import Tags

        provider = aws.Provider("aws", region=self.aws.region)
        ami = inspect_account(self.aws, provider)
        tags = Tags(self.stack, self.page.cluster.name, self.aws.tags)
        places = place_nodes(self.aws, self.page.nodes)
        args = AwsMachinesArgs(self.page, self.aws, topology, places, ami, tags)
        return AwsMachines("aws", args, pulumi.ResourceOptions(providers=[provider])).machines
