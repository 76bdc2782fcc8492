"""The site of a stack in AWS: addresses are computed from the page, the account is queried for the rest."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.config import Page
from components.config.aws import AwsSection
from components.config.aws_places import place_nodes
from components.machines.base import Machines
from components.topology import Topology, plan


@dataclass(frozen=True)
class AwsSite:
    """A stack in an AWS account."""

    page: Page
    aws: AwsSection
    stack: str

    def topology(self, page: Page) -> Topology:
        """The topology, with addresses that the page leaves out.

        The load balancer's own name is known only after it is created. So certificates have the name of the page for
        the endpoint, or else a name that every API server has anyway; kubeconfigs set that name as `tls-server-name`.
        """
        name = self.aws.endpoint.name or f"kubernetes.default.svc.{page.cluster.domain}"
        addresses = {node: place.address for node, place in place_nodes(self.aws, page.nodes).items()}
        return plan(page, None, (name, page.api.port), addresses=addresses)

    def make_machines(self, topology: Topology) -> Machines:
        """The instances. Raises pulumi.RunError if the account does not have what the page requires."""
        # Imported here: the package is large, and most stacks are not in AWS.
        import pulumi_aws as aws

        from components.machines.aws.account import inspect_account
        from components.machines.aws.machines import AwsMachines, AwsMachinesArgs
        from components.machines.aws.tags import Tags

        provider = aws.Provider("aws", region=self.aws.region)
        tags = Tags(self.stack, self.page.cluster.name, self.aws.tags)
        account = inspect_account(self.page, self.aws, tags, provider)
        places = place_nodes(self.aws, self.page.nodes)
        args = AwsMachinesArgs(self.page, self.aws, topology, places, account, tags)
        return AwsMachines("aws", args, pulumi.ResourceOptions(providers=[provider])).machines
