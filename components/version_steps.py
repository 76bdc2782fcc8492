"""Steps between versions that are refused in a preview, from what the stack's last run has said of itself.

Every machine refuses them again while it stages (components/node/versions.sh), since only the machine knows for sure
what it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pulumi

from components.config import ConfigError, Finding, Page
from components.config.cluster import numbers

OUTPUT = "versions"
"""The stack's output with `versions(page)`."""


def versions(page: Page) -> dict[str, str]:
    """What the next run compares its page with."""
    own = page.versions
    return {"kubernetes": own.kubernetes, "kubelet": own.of_kubelet, "etcd": own.etcd}


def refused_steps(before: Mapping[str, str], page: Page) -> Iterator[Finding]:
    """What may not follow the versions `before`: going back to another minor version, and skipping one.

    https://kubernetes.io/releases/version-skew-policy/ and https://etcd.io/docs/latest/upgrades/. An API server stands
    kubelets that are up to three minor versions older, so a kubelet may skip some.
    """
    for part, after in versions(page).items():
        # A kubelet that only follows `versions.kubernetes` goes no way that the API server does not go.
        if part not in before or (part == "kubelet" and page.versions.kubelet is None):
            continue
        (major, minor, *_), (is_major, is_minor, *_) = numbers(before[part]), numbers(after)
        following = f"{major}.{minor}.x {'or newer' if part == 'kubelet' else f'and {major}.{minor + 1}.x'}"
        allowed = f"from {before[part]}: {following}"
        if (is_major, is_minor) < (major, minor):
            yield Finding(f"versions.{part}", f"{part} {before[part]} -> {after} is a downgrade", allowed)
        elif part != "kubelet" and (is_major, is_minor) not in ((major, minor), (major, minor + 1)):
            yield Finding(f"versions.{part}", f"{part} {before[part]} -> {after} skips a minor version", allowed)


def refuse_steps(page: Page) -> None:
    """End the program, before it has asked for any resource, if the page may not follow the stack's last run."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value or {}
    found = list(refused_steps(answer.get("outputs", {}).get(OUTPUT) or {}, page))
    if found:
        raise pulumi.RunError(str(ConfigError(found)))
