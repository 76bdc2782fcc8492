"""Names and tags of resources in AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tags:
    """The tags of all resources of one stack; `further` are the tags of the page."""

    stack: str
    cluster: str
    further: Mapping[str, str]

    def of(self, name: str, *, found_by_cloud: bool = False) -> dict[str, str]:
        """The tags of one resource.

        `found_by_cloud` adds the tag by which Kubernetes' programs for AWS find the resources of a cluster. Of an
        instance's security groups, exactly one may have this tag.
        """
        found = {f"kubernetes.io/cluster/{self.cluster}": "owned"} if found_by_cloud else {}
        own = {"Name": f"{self.cluster}-{name}", "hardway:stack": self.stack, "hardway:cluster": self.cluster}
        return {**self.further, **own, **found}
