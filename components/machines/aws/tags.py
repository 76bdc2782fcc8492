"""How things in AWS are called and marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tags:
    """The marks of everything that one stack makes; `further` are those of the page."""

    stack: str
    cluster: str
    further: Mapping[str, str]

    def of(self, name: str, *, found_by_cloud: bool = False) -> dict[str, str]:
        """Tags of one thing.

        `found_by_cloud` adds the one by which Kubernetes' programs for AWS find what belongs to a cluster. They want
        it on one security group of an instance, not on all of them.
        """
        found = {f"kubernetes.io/cluster/{self.cluster}": "owned"} if found_by_cloud else {}
        own = {"Name": f"{self.cluster}-{name}", "hardway:stack": self.stack, "hardway:cluster": self.cluster}
        return {**self.further, **own, **found}
