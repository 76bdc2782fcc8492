"""Rules over the whole page that concern flannel."""

from collections.abc import Iterator

from components.config.aws import AwsSection
from components.config.aws_places import place_nodes
from components.config.errors import Finding
from components.config.page import Page


def host_gateways_in_aws(page: Page) -> Iterator[Finding]:
    """The backend `host-gw` of flannel needs all nodes in one subnet, which in AWS means in one zone."""
    machines = page.machines
    if not isinstance(machines, AwsSection) or page.network.flannel.backend != "host-gw":
        return
    zones = {place.zone for place in place_nodes(machines, page.nodes).values()}
    if len(zones) > 1:
        problem = f"'host-gw' does not reach from subnet to subnet, and the nodes are in {len(zones)} zones"
        yield Finding("network.flannel.backend", problem, "vxlan, or all nodes in one zone")
