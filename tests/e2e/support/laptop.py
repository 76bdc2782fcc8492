"""The laptop cluster under load: the suites `changes` and `rotation` share it if one run has both."""

from collections.abc import Iterator

import pytest

from tests.e2e.support.cluster import Cluster, running
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack, laptop_page

NAME = "e2e-laptop"
BEFORE, AFTER = "1.36.4", "1.37.1"
"""The versions of Kubernetes between which the suite `changes` upgrades."""


@pytest.fixture(scope="session")
def laptop(say: Say) -> Iterator[Cluster]:
    """Three control-plane nodes and two workers, with the older version of Kubernetes until something upgrades them."""
    page = laptop_page(NAME) | {"hardway:versions": {"kubernetes": BEFORE}}
    with running(Stack(NAME, page, say)) as found:
        yield found
