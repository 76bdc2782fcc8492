"""The cluster of this suite: made once, and removed at the end in any case."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster, running
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack, laptop_page

NAME = "e2e-local"
NAMESPACE = "e2e"
ISOLATED = "walled"
"""A namespace of the page whose pods reach each other and the DNS only."""


@pytest.fixture(scope="session")
def cluster(say: Say) -> Iterator[Cluster]:
    """The local cluster with another name, so that it can run beside a cluster that somebody works with."""
    with running(Stack(NAME, page(), say)) as found:
        yield found


def page() -> dict[str, Any]:
    """The page `Pulumi.dev.yaml` with network policies, which all other tests of the suite have to live with."""
    found = laptop_page(NAME)
    spaces = {"namespaces": [{"name": ISOLATED, "network": "isolated"}]}
    return found | {
        "hardway:network": found["hardway:network"] | {"policies": "enforced"},
        "hardway:access": found["hardway:access"] | spaces,
    }


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
