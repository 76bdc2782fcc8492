"""The cluster of this suite, a service in the cluster, and the probes that send requests during changes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import pytest

from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.support.watch import Watch, watching
from tests.wait import eventually

Probes = Callable[..., AbstractContextManager[Watch]]


@dataclass(frozen=True)
class Web:
    """Two web servers behind a service. A budget requires one of them at any time."""

    namespace: str
    name: str
    url: str


@pytest.fixture(scope="session")
def cluster(laptop: Cluster) -> Cluster:
    """The laptop cluster. This suite upgrades it."""
    return laptop


@pytest.fixture(scope="session")
def web(cluster: Cluster) -> Web:
    """A deployment on the workers with a PodDisruptionBudget, behind a service address."""
    name, kubectl = "shop", cluster.kubectl
    kubectl.apply(pods.namespace(name)).ok()
    kubectl.apply(pods.web(name, name, cluster.image, 2, lame_seconds=5)).ok()
    kubectl.apply(pods.service(name, name, 80)).ok()
    kubectl.apply(pods.budget(name, name, 1)).ok()
    kubectl.rolled_out(name, name)
    address = kubectl.get("service", name, f"--namespace={name}")["spec"]["clusterIP"]
    found = Web(name, name, f"http://{address}/")
    # kube-proxies know the service a moment later.
    asked = cluster.having("control-plane")[0]
    eventually(lambda: asked.run(f"curl -fsS --max-time 2 {found.url}").ok(), 30, "the service answers")
    return found


@pytest.fixture
def probes(cluster: Cluster, web: Web, say: Say) -> Probes:
    """Probes that run from the beginning to the end of a `with` block.

    They send requests to the endpoint, to the proxy of each machine in `inside` (default: cp-1), and from the first of
    these machines to the service. The machines in `inside` have to stay up.
    """

    def start(inside: tuple[str, ...] = ("cp-1",)) -> AbstractContextManager[Watch]:
        return partial(watching, cluster, say=say)(inside, [web.url])

    return start
