"""The cluster of this suite, its clients during the rotation, and credentials from before the rotation."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from components.node.render.etcd import etcdctl
from tests.e2e.changes.conftest import Probes, Web, web
from tests.e2e.support import metrics_server, pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubectl import write_private
from tests.e2e.support.process import Run
from tests.e2e.support.progress import Say
from tests.e2e.support.watch import Watch, watching
from tests.wait import eventually

CONFIG = "hardway:pki"
SSL = "/opt/kubernetes/ssl"
KUBELET = "/var/lib/kubelet/pki/kubelet-client-current.pem"
GONE = "gone"
GONE_KEY = f"/registry/secrets/default/{GONE}"
"""A Secret that the suite deletes before the rotation, and its key in etcd."""

__all__ = ["cluster", "web"]


@pytest.fixture(scope="session")
def cluster(laptop: Cluster) -> Cluster:
    """The laptop cluster, which has only been upgraded if the suite `changes` ran before."""
    return laptop


@pytest.fixture(scope="session")
def aggregated(cluster: Cluster) -> str:
    """The path of an aggregated API that answers."""
    metrics_server.install(cluster)
    return metrics_server.PATH


@pytest.fixture
def probes(cluster: Cluster, web: Web, aggregated: str, say: Say) -> Probes:
    """Those of the suite `changes`, and one at the aggregated API."""

    def start(inside: tuple[str, ...] = ("cp-1",)) -> AbstractContextManager[Watch]:
        return watching(cluster, inside, [web.url], say, aggregated)

    return start


@dataclass(frozen=True)
class Talker:
    """A pod that sends a request to the API every second, with its token."""

    namespace: str
    name: str

    def failed(self, cluster: Cluster) -> int:
        """The number of failed requests since the pod started."""
        log = cluster.kubectl("logs", f"deployment/{self.name}", f"--namespace={self.namespace}", "--tail=-1").ok()
        assert log.count("calling /healthz") > 1, log[-2000:]
        # An API server whose member of etcd restarts may answer that etcd is not healthy: the request was not lost.
        return sum("healthz check failed" not in line for line in log.splitlines() if "error checking" in line)


@pytest.fixture(scope="session")
def talker(cluster: Cluster) -> Talker:
    """A Deployment with one pod, whose program has client-go in the version of the cluster."""
    namespace = name = "talker"
    labels = {"app": name}
    main = pods.container(cluster.image, "inclusterclient", "--poll-interval=1")
    cluster.kubectl.apply(pods.namespace(namespace)).ok()
    cluster.kubectl.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [main]}},
            },
        }
    ).ok()
    cluster.kubectl.rolled_out(namespace, name)
    found = Talker(namespace, name)
    asks = ("logs", f"deployment/{name}", f"--namespace={namespace}")
    eventually(lambda: cluster.kubectl(*asks).ok().count("calling /healthz") > 1, 30, "the pod asks the API")
    return found


@dataclass(frozen=True)
class Before:
    """Credentials from before the rotation. After the rotation they have to be refused."""

    kubeconfig: Path
    token: str
    etcd: str
    front_proxy: str
    kubelet: str
    authorities: str
    secret: str
    """The value in etcd, in base64, of a Secret that is gone: encrypted with the first key."""


@pytest.fixture(scope="session")
def before(cluster: Cluster, talker: Talker) -> Before:
    """Copies of credentials: the kubeconfig of the admin, a token, certificates and keys of machines."""
    create = ("create", "token", "default", f"--namespace={talker.namespace}", "--duration=24h")
    master, worker = cluster.machines["cp-1"], cluster.machines["worker-1"]
    front_proxy = f"{SSL}/kube-apiserver/front-proxy-client"
    cluster.kubectl("create", "secret", "generic", GONE, "--namespace=default", "--from-literal=a=b").ok()
    secret = json.loads(master.run(etcdctl(f"get {GONE_KEY} --write-out=json")).ok())["kvs"][0]["value"]
    cluster.kubectl("delete", "secret", GONE, "--namespace=default").ok()
    return Before(
        kubeconfig=write_private(cluster.stack.folder / "before.kubeconfig", cluster.stack.kubeconfig.read_text()),
        token=cluster.kubectl(*create).ok().strip(),
        etcd=master.run(f"cat {SSL}/etcd/peer.pem {SSL}/etcd/peer.key").ok(),
        front_proxy=master.run(f"cat {front_proxy}.pem {front_proxy}.key").ok(),
        kubelet=worker.read(KUBELET),
        authorities=master.run(f"cat {SSL}/kubernetes-ca.pem").ok(),
        secret=secret,
    )


def rotate(cluster: Cluster, what: str, apply: str = "next", pods: str = "restart", expected: int = 0) -> Run:
    """Run `make rotate`, and take the generations that the command wrote into the page of this cluster."""
    run = cluster.stack.make("rotate", extra={"WHAT": what, "APPLY": apply, "PODS": pods})
    read_page(cluster)
    assert run.code == expected, f"make rotate ended with {run.code}:\n{run.tail(60)}"
    return run


def read_page(cluster: Cluster) -> None:
    """Take over what `make rotate` has written to the page."""
    page = yaml.safe_load(cluster.stack.clone.page(cluster.stack.name).read_text())["config"]
    cluster.change({CONFIG: page[CONFIG]})


def generations(cluster: Cluster) -> dict[str, tuple[list[int], int]]:
    """The trusted generations and the generation in use, by key, from the output of the last complete `up`."""
    found = cluster.stack.output("generations")
    return {key: ([int(n) for n in value["trusted"]], int(value["active"])) for key, value in found.items()}


def encryption_keys(cluster: Cluster) -> list[str]:
    """For each Secret in etcd the name of the key that encrypts it, read without the API."""
    ask = etcdctl("get --prefix /registry/secrets/ --print-value-only")
    found = cluster.machines["cp-1"].run(f"{ask} | grep -ao '^k8s:enc:secretbox:v1:[a-z0-9]*'").ok()
    return [line.rpartition(":")[2] for line in found.split()]
