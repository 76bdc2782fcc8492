"""Any control-plane machine may fail: the cluster answers without it, and the machine rejoins by itself."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from components.node.render.etcd import etcdctl
from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubeconfig import Credentials, unpack
from tests.e2e.support.long import long
from tests.e2e.support.machines import Machine
from tests.e2e.support.probing import probing
from tests.e2e.support.progress import Say, stopwatch
from tests.wait import eventually

# One object, because the API server reads single objects from a quorum of etcd.
URL = "https://127.0.0.1:16443/api/v1/namespaces/kube-system"

# Loose limits: they find an outage, but do not fail on a busy host. Durations are printed, not tested.
MOST_FAILED, LONGEST_GAP_SECONDS = 0.05, 15.0


@pytest.fixture(scope="module")
def credentials(cluster: Cluster) -> Credentials:
    """The certificate and key of the admin, as files."""
    return unpack(cluster.stack.kubeconfig, cluster.stack.folder / "admin")


@pytest.mark.parametrize("name", ["cp-1", long("cp-2"), long("cp-3")])
def test_control_plane_machine_dies_and_comes_back(
    cluster: Cluster, namespace: str, credentials: Credentials, say: Say, name: str
) -> None:
    """The API and etcd answer, and a new deployment starts. After its restart the machine rejoins without Pulumi."""
    victim = cluster.machines[name]
    survivors = [machine for machine in cluster.having("control-plane") if machine is not victim]
    members, leads = _member_list(victim), _is_leader(victim)
    deployment = f"without-{name}"
    with probing(cluster.having("worker")[0], URL, 120, credentials) as probe:
        time.sleep(3)
        victim.kill()
        try:
            elapsed = stopwatch()
            # A write fails if etcd loses its leader during the write. Clients try again.
            manifest = pods.web(namespace, deployment, cluster.image, 2)
            eventually(lambda: cluster.kubectl.apply(manifest).ok(), 30, "the deployment is accepted")
            cluster.kubectl.rolled_out(namespace, deployment)
            what = f"{name} (leader of etcd)" if leads else name
            say(f"  a deployment was available {elapsed():.1f} s after {what} died")
            for machine in survivors:
                assert "is healthy" in machine.run(etcdctl("endpoint health")).text, machine.name
                _api_ready(machine, cluster.api_port)
        finally:
            victim.start()
            started = datetime.now(UTC)
        elapsed = stopwatch()
        eventually(lambda: _rejoined(cluster, victim, started), 120, f"{name} rejoins")
        say(f"  {name} was back {elapsed():.1f} s after its start")
        report = probe.report()
    say(f"  {report.line()}")
    assert _member_list(victim) == members
    assert report.failed <= MOST_FAILED * report.requests, report.line()
    assert report.longest_gap < LONGEST_GAP_SECONDS, report.line()
    cluster.kubectl("delete", "deployment", deployment, f"--namespace={namespace}").ok()


@pytest.mark.long
@pytest.mark.parametrize("name", ["cp-1", "worker-1", "worker-2"])
def test_restarted_machine_keeps_its_data(cluster: Cluster, namespace: str, say: Say, name: str) -> None:
    """The machine keeps its certificate, its etcd member and its pods. Nothing is bootstrapped again."""
    machine = cluster.machines[name]
    control_plane = machine in cluster.having("control-plane")
    kept = ["/var/lib/kubelet/pki/kubelet-client-current.pem", "/etc/ssh/ssh_host_ed25519_key"]
    before = [machine.read(path) for path in kept]
    requests = len(cluster.kubectl.items("certificatesigningrequests"))
    members = _member_list(machine) if control_plane else ""
    machine.restart()
    started = datetime.now(UTC)
    elapsed = stopwatch()
    eventually(lambda: _rejoined(cluster, machine, started), 120, f"{name} rejoins")
    say(f"  {name} was back {elapsed():.1f} s after its restart")
    assert [machine.read(path) for path in kept] == before
    assert len(cluster.kubectl.items("certificatesigningrequests")) == requests
    if control_plane:
        assert _member_list(machine) == members
    _nothing_has_failed([machine])
    placed = f"after-{name}"
    where = {"nodeName": name, "tolerations": [{"operator": "Exists"}]}
    cluster.kubectl.create(pods.pod(namespace, placed, pods.container(cluster.image, "pause"), **where)).ok()
    ready = ("wait", "--for=condition=Ready", f"pod/{placed}", f"--namespace={namespace}", "--timeout=60s")
    cluster.kubectl(*ready, timeout=70).ok()


def test_power_cut(cluster: Cluster, namespace: str, say: Say) -> None:
    """All machines lose power at once. The cluster starts again without Pulumi, with a pod, its data and service."""
    name, worker, kubectl = "survivor", cluster.having("worker")[0], cluster.kubectl
    main = pods.container(cluster.image, "netexec", f"--http-port={pods.PORT}")
    main["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    volumes = [{"name": "data", "emptyDir": {}}]
    kubectl.create(pods.pod(namespace, name, main, nodeName=worker.name, volumes=volumes)).ok()
    kubectl.create(pods.service(namespace, name, 80)).ok()
    ready = ("wait", "--for=condition=Ready", f"pod/{name}", f"--namespace={namespace}")
    kubectl(*ready, "--timeout=60s", timeout=70).ok()
    worker.run(f"echo kept >{_in_pod(name)}/data/mark").ok()
    pod = kubectl.get("pod", name, f"--namespace={namespace}")
    address = kubectl.get("service", name, f"--namespace={namespace}")["spec"]["clusterIP"]
    members = _member_list(cluster.having("etcd")[0])

    machines = list(cluster.machines.values())
    with ThreadPoolExecutor() as pool:
        list(pool.map(Machine.kill, machines))
        list(pool.map(Machine.start, machines))
    started, elapsed = datetime.now(UTC), stopwatch()
    eventually(lambda: kubectl("--request-timeout=5s", "get", "--raw=/readyz").ok(), 180, "the API answers")
    say(f"  the API answered {elapsed():.1f} s after all machines had power again")
    for machine in machines:
        eventually(lambda machine=machine: _rejoined(cluster, machine, started), 180, f"{machine.name} rejoins")
    say(f"  every node was Ready after {elapsed():.1f} s")
    for machine in machines:
        asking = f"curl -fsS --max-time 3 http://{address}/hostname"
        answer = eventually(lambda asking=asking, machine=machine: machine.run(asking).ok(), 120, "the service answers")
        assert answer.strip() == name
    say(f"  a pod answered through its service on every node after {elapsed():.1f} s")
    again = kubectl.get("pod", name, f"--namespace={namespace}")
    assert again["metadata"]["uid"] == pod["metadata"]["uid"], "it is another pod"
    assert again["status"]["containerStatuses"][0]["restartCount"] > 0, "it was not restarted"
    assert worker.run(f"cat {_in_pod(name)}/data/mark").ok() == "kept\n"
    assert _member_list(cluster.having("etcd")[0]) == members
    _nothing_has_failed(machines)


def _in_pod(name: str) -> str:
    """A shell expression for the root folder of a pod's only container on its machine."""
    crictl = "/opt/kubernetes/bin/crictl --config /opt/kubernetes/cfg/crictl.yaml"
    container = f"$({crictl} ps --quiet --label io.kubernetes.pod.name={name})"
    return f"/proc/$({crictl} inspect --output go-template --template '{{{{.info.pid}}}}' {container})/root"


def _nothing_has_failed(machines: Sequence[Machine]) -> None:
    """No unit of a machine has failed, including units of the operating system."""
    failed = {machine.name: machine.run("systemctl --failed --no-legend --plain").ok() for machine in machines}
    assert failed == dict.fromkeys(failed, "")


def _rejoined(cluster: Cluster, machine: Machine, since: datetime) -> None:
    """The node is Ready by a newer report and has its network. Its API server and its etcd member answer."""
    node = cluster.kubectl.get("node", machine.name)
    conditions = {condition["type"]: condition for condition in node["status"]["conditions"]}
    assert conditions["Ready"]["status"] == "True", conditions["Ready"].get("message")
    lease = cluster.kubectl.get("lease", machine.name, "--namespace=kube-node-lease")
    assert datetime.fromisoformat(lease["spec"]["renewTime"]) > since, "its lease is old"
    running = machine.run("systemctl is-active kubelet kube-proxy containerd kubernetes-api-proxy")
    assert running.code == 0, running.text
    assert machine.run("test -e /run/hardway/cni/10-flannel.conflist").code == 0, "no pod network yet"
    if machine in cluster.having("etcd"):
        health = machine.run(etcdctl("endpoint health"))
        assert "is healthy" in health.text, health.text
    if machine in cluster.having("control-plane"):
        _api_ready(machine, cluster.api_port)


def _api_ready(machine: Machine, port: int) -> None:
    ca = "/opt/kubernetes/ssl/kubernetes-ca.pem"
    answer = machine.run(f"curl -sS --max-time 3 --cacert {ca} https://127.0.0.1:{port}/readyz")
    assert answer.stdout == "ok", f"{machine.name}: {answer.text}"


def _is_leader(machine: Machine) -> bool:
    (status,) = json.loads(machine.run(etcdctl("endpoint status --write-out=json")).ok())
    leads: bool = status["Status"]["leader"] == status["Status"]["header"]["member_id"]
    return leads


def _member_list(machine: Machine) -> str:
    return machine.run(etcdctl("member list")).ok()
