"""The cluster of this suite, what runs on it, and who asks for it while it is changed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import pytest

from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster, running
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack, laptop_page
from tests.e2e.support.wait import eventually
from tests.e2e.support.watch import Watch, watching

NAME = "e2e-changes"
BEFORE, AFTER = "1.36.4", "1.37.1"
"""The versions of Kubernetes between which the suite upgrades."""

Probes = Callable[..., AbstractContextManager[Watch]]


@dataclass(frozen=True)
class Web:
    """Two web servers behind a service; one of them has to be there at any time."""

    namespace: str
    name: str
    url: str


@pytest.fixture(scope="session")
def cluster(say: Say) -> Iterator[Cluster]:
    """The laptop cluster, on the older version of Kubernetes."""
    page = laptop_page(NAME) | {"hardway:versions": {"kubernetes": BEFORE}}
    with running(Stack(NAME, page, say)) as found:
        yield found


@pytest.fixture(scope="session")
def web(cluster: Cluster) -> Web:
    """A deployment over the workers with a PodDisruptionBudget, behind a cluster address."""
    name, kubectl = "shop", cluster.kubectl
    kubectl.apply(pods.namespace(name)).ok()
    kubectl.apply(pods.web(name, name, cluster.image, 2, lame_seconds=5)).ok()
    kubectl.apply(pods.service(name, name, 80)).ok()
    kubectl.apply(pods.budget(name, name, 1)).ok()
    kubectl.rolled_out(name, name)
    address = kubectl.get("service", name, f"--namespace={name}")["spec"]["clusterIP"]
    found = Web(name, name, f"http://{address}/")
    # kube-proxies learn of it a moment later.
    asked = cluster.having("control-plane")[0]
    eventually(lambda: asked.run(f"curl -fsS --max-time 2 {found.url}").ok(), 30, "the service answers")
    return found


@pytest.fixture
def probes(cluster: Cluster, web: Web, say: Say) -> Probes:
    """Everybody who asks, from the beginning to the end of a `with` block.

    That is the endpoint, the proxy of each machine in `inside` (cp-1), and the service as seen from the first of these.
    Take machines that stay up.
    """

    def start(inside: tuple[str, ...] = ("cp-1",)) -> AbstractContextManager[Watch]:
        return partial(watching, cluster, say=say)(inside, [web.url])

    return start
