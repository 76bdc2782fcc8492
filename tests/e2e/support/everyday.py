"""The everyday cluster: the suites `local` and `people` share it if one run has both."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.support.cluster import Cluster, running
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack, laptop_page

NAME = "e2e-local"
ISOLATED = "walled"
"""A namespace of the page whose pods reach each other and the DNS only."""


@pytest.fixture(scope="session")
def everyday(say: Say) -> Iterator[Cluster]:
    """The local cluster with another name, so that it can run beside a cluster that somebody works with."""
    with running(Stack(NAME, page(), say)) as found:
        yield found


def page() -> dict[str, Any]:
    """The page `Pulumi.dev.yaml` with network policies, which all tests of the suites have to live with."""
    found = laptop_page(NAME)
    spaces = {"namespaces": [{"name": ISOLATED, "network": "isolated"}]}
    return found | {
        "hardway:network": found["hardway:network"] | {"policies": "enforced"},
        "hardway:access": found["hardway:access"] | spaces,
    }
