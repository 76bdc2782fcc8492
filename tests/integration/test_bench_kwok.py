"""`--what scale` on a real API server: kwok plays nodes and pods that real controllers and the scheduler made."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import ApiServer, api_server, controllers, program
from signing_service import free_port

from bench import fake_objects, kwok
from bench.filling import fill, refill
from components.node.render.sizing import flags_for
from tests.e2e.support.kubectl import Kubectl, write_private
from tests.wait import eventually
from tools.common.paths import shared_cache
from tools.common.store import Store
from tools.from_source import catalogue, gobuild

CONTROLLERS = (
    *("serviceaccount-controller", "deployment-controller", "replicaset-controller", "endpointslice-controller"),
    *("node-ipam-controller", "node-lifecycle-controller", "taint-eviction-controller", "garbage-collector-controller"),
)
NODES, PODS = 3, 60


@pytest.fixture
def built() -> Path:
    """kwok, if somebody has measured with it before."""
    program("kube-apiserver")
    found = gobuild.find(catalogue.KWOK, Store(shared_cache() / "store"))
    if found is None:
        pytest.skip('no kwok in the shared cache yet: `make bench ARGS="--what scale"` makes it')
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    """An API server with the controllers of nodes and pods, and a scheduler. All have the flags of a large cluster."""
    large = {
        name: [f"--{flag}={value}" for flag, value in flags_for(name, 3001).items()]
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    }
    assert all(large.values())
    more = ("--allocate-node-cidrs=true", "--cluster-cidr=10.244.0.0/16", *large["kube-controller-manager"])
    with api_server(tmp_path, *large["kube-apiserver"]) as found, controllers(found, *CONTROLLERS, flags=more):
        words = [*large["kube-scheduler"]]
        words += [f"--kubeconfig={tmp_path / 'controller.kubeconfig'}", "--leader-elect=false"]
        words += ["--bind-address=127.0.0.1", f"--secure-port={free_port()}", f"--cert-dir={tmp_path}"]
        with (tmp_path / "scheduler.log").open("ab") as log:
            running = subprocess.Popen([program("kube-scheduler"), *words], stdout=log, stderr=log)
            try:
                yield found
            finally:
                running.kill()
                running.wait(10)


def test_nodes_become_ready_and_pods_run(server: ApiServer, built: Path, tmp_path: Path) -> None:
    admin = write_private(tmp_path / "admin.kubeconfig", server.kubeconfig("admin", "system:masters"))
    kubectl = Kubectl(program("kubectl"), admin, tmp_path / "kube-cache")
    with kwok.simulating(kubectl, built, tmp_path / "kwok") as running:
        fill(kubectl, running, NODES, PODS, lambda _: None)
        pods = kubectl.items("pods", f"--namespace={fake_objects.NAMESPACE}")
        assert len({pod["status"]["podIP"] for pod in pods}) == PODS
        assert {pod["spec"]["nodeName"] for pod in pods} == {fake_objects.name_of(index) for index in range(NODES)}
        slices = kubectl.items("endpointslices", f"--namespace={fake_objects.NAMESPACE}")
        assert sum(len(one["endpoints"]) for one in slices) == PODS
        for node in kubectl.items("nodes"):
            assert node["metadata"]["annotations"]["flannel.alpha.coreos.com/backend-type"] == "vxlan"
            assert node["status"]["addresses"][0]["address"].startswith("198.18.")
        refill(kubectl, running, PODS, lambda _: None)
        new = kubectl.items("pods", f"--namespace={fake_objects.NAMESPACE}")
        assert len(new) == PODS
        assert {pod["metadata"]["uid"] for pod in new}.isdisjoint(pod["metadata"]["uid"] for pod in pods)
        leases = kubectl.items("leases", "--namespace=kube-node-lease")
        assert {lease["spec"]["leaseDurationSeconds"] for lease in leases} == {kwok.LEASE_SECONDS}
        assert len(leases) == NODES
        environment = Path(f"/proc/{running.process.pid}/environ").read_text()
        assert {line.partition("=")[0] for line in environment.strip("\0").split("\0")} == {"HOME", "PATH"}
    assert running.process.poll() is not None
    assert not (tmp_path / "kwok" / "kubeconfig").exists()
    with pytest.raises(AssertionError, match="kwok ended"):
        running.assert_runs()


def test_a_killed_measurement_leaves_no_kwok(server: ApiServer, built: Path, tmp_path: Path) -> None:
    """The kernel ends kwok with the process that has started it."""
    admin = write_private(tmp_path / "admin.kubeconfig", server.kubeconfig("admin", "system:masters"))
    config = write_private(tmp_path / "kwok.kubeconfig", admin.read_text())
    start = "import subprocess, sys, time; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); time.sleep(60)"
    words = ["python3", "-c", start, *kwok.command(built, config)]
    parent = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert parent.stdout
    pid = int(parent.stdout.readline())
    arguments = Path(f"/proc/{pid}/cmdline")
    eventually(lambda: arguments.read_bytes().startswith(str(built).encode()), 10, "kwok is started")
    parent.kill()
    parent.wait(10)
    eventually(lambda: not arguments.exists() or not arguments.read_bytes(), 10, "kwok has ended")
