"""The cluster of this suite, the provider, and the plugin of kubectl."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.people.desk import Desk
from tests.e2e.people.page import PEOPLE
from tests.e2e.people.provider import Provider, providing
from tests.e2e.people.ways import Ways, ways
from tests.e2e.support.cluster import Cluster


@pytest.fixture(scope="session")
def cluster(everyday: Cluster) -> Cluster:
    """The everyday cluster, which serves the suite `local` before if one run has both."""
    return everyday


@pytest.fixture(scope="package")
def provider(cluster: Cluster) -> Iterator[Provider]:
    """The provider. It is gone when the last test of the package has ended, so that `make down` leaves nothing."""
    if cluster.first_up is None:
        # A stack that was kept has the issuer of an earlier run on its machines, at the same address.
        cluster.up()
    with providing(cluster, PEOPLE) as found:
        yield found


@pytest.fixture(scope="package")
def services(cluster: Cluster, provider: Provider) -> Iterator[Ways]:
    """The other ways to log in, beside the provider."""
    with ways(cluster, provider.machine) as found:
        yield found


@pytest.fixture(scope="package")
def plugins(cluster: Cluster, provider: Provider) -> Path:
    """A folder for PATH with the plugin `oidc-login` of kubectl, which runs in the network of the provider."""
    folder = cluster.stack.folder / "people" / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    command = provider.machine.in_network(["env", f"PYTHONPATH={cluster.stack.clone.root}", sys.executable])
    plugin = folder / "kubectl-oidc_login"
    plugin.write_text(f'#!/bin/sh\nexec {shlex.join(command)} -m tests.e2e.people.plugin "$@"\n')
    plugin.chmod(0o755)
    return folder


@pytest.fixture(scope="package")
def desk(cluster: Cluster, plugins: Path) -> Desk:
    """Where people sit."""
    return Desk(cluster, plugins, cluster.stack.folder / "people")
