"""The cluster of this suite, a namespace, and a web server."""

from collections.abc import Iterator

import pytest

from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster

NAMESPACE = "e2e"


@pytest.fixture(scope="session")
def cluster(everyday: Cluster) -> Cluster:
    """The everyday cluster."""
    return everyday


@pytest.fixture(scope="session")
def namespace(cluster: Cluster) -> Iterator[str]:
    """An ordinary namespace."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", timeout=120).ok()
    cluster.kubectl.create(pods.namespace(NAMESPACE)).ok()
    yield NAMESPACE
    if not cluster.is_down:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false").ok()


@pytest.fixture(scope="session")
def web(cluster: Cluster, namespace: str) -> str:
    """A deployment of three web servers on the workers, and a service with the same name: port 80 and node port 8888.

    The name is also the name of the namespace.
    """
    name, kubectl = namespace, cluster.kubectl
    kubectl.create(pods.web(namespace, name, cluster.image, 1)).ok()
    kubectl.create(pods.service(namespace, name, 8080, node_port=8888)).ok()
    kubectl.rolled_out(namespace, name)
    kubectl("scale", f"deployment/{name}", f"--namespace={namespace}", "--replicas=3").ok()
    kubectl.rolled_out(namespace, name)
    return name
