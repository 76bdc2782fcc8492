"""The everyday cluster: the suites `local` and `people` share it if one run has both."""

from collections.abc import Iterator

import pytest

from tests.e2e.support.cluster import Cluster, running
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack, laptop_page

NAME = "e2e-local"


@pytest.fixture(scope="session")
def everyday(say: Say) -> Iterator[Cluster]:
    """The local cluster with another name, so that it can run beside a cluster that somebody works with."""
    with running(Stack(NAME, laptop_page(NAME), say)) as found:
        yield found
