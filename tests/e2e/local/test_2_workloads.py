"""Workloads: pods, services, node ports, names, logs and exec."""

import json
from typing import Any

import pytest

from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.wait import eventually

NODE_PORT = 8888
PROXIES_HEAR_SECONDS = 20
"""Within this time every kube-proxy knows the ready pods. The proxy of a machine that just started takes longest."""


@pytest.fixture
def servers(cluster: Cluster, namespace: str, web: str) -> list[dict[str, Any]]:
    """The pods of the web servers."""
    return cluster.kubectl.items("pods", f"--namespace={namespace}", f"--selector=app={web}")


def test_deployment_scales_over_the_workers(cluster: Cluster, servers: list[dict[str, Any]]) -> None:
    """Three replicas: some on each worker, none on the control plane."""
    assert len(servers) == 3
    assert {pod["spec"]["nodeName"] for pod in servers} == {machine.name for machine in cluster.having("worker")}


def test_node_port_answers_on_every_node(cluster: Cluster, servers: list[dict[str, Any]]) -> None:
    """Port 8888 of each node leads to port 8080 of a pod, also on nodes without a pod."""
    names = set(pods.names(servers))

    def from_all_to_all() -> None:
        for machine in cluster.machines.values():
            for target in cluster.machines.values():
                answer = machine.run(f"curl -fsS --max-time 5 http://{target.address}:{NODE_PORT}/hostname")
                assert answer.ok() in names, f"from {machine.name} to {target.name}"

    eventually(from_all_to_all, PROXIES_HEAR_SECONDS, "every node leads to a replica")


def test_cluster_address_answers_from_nodes_and_pods(
    cluster: Cluster, namespace: str, web: str, servers: list[dict[str, Any]]
) -> None:
    """The service address leads to every replica."""
    address = cluster.kubectl.get("service", web, f"--namespace={namespace}")["spec"]["clusterIP"]
    names = set(pods.names(servers))

    def from_all() -> None:
        for machine in cluster.machines.values():
            assert machine.run(f"curl -fsS --max-time 5 http://{address}:8080/hostname").ok() in names, machine.name
        for pod in servers:
            assert _dial(cluster, pod, address, tries=30) == names, f"from {pod['metadata']['name']}"

    eventually(from_all, PROXIES_HEAR_SECONDS, "every pod reaches every replica")


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_pods_reach_pods_on_other_nodes(cluster: Cluster, servers: list[dict[str, Any]], protocol: str) -> None:
    """Each replica reaches every other replica at its pod address. At least one pair is on two nodes."""
    nodes = {pod["spec"]["nodeName"] for pod in servers}
    assert len(nodes) > 1
    for source in servers:
        for target in servers:
            found = _dial(cluster, source, target["status"]["podIP"], protocol=protocol)
            assert found == {target["metadata"]["name"]}, (
                f"{source['metadata']['name']} on {source['spec']['nodeName']}"
            )


@pytest.mark.parametrize("name", ["{web}", "{web}.{namespace}", "{web}.{namespace}.svc.cluster.local"])
def test_names_resolve_in_pods(
    cluster: Cluster, namespace: str, web: str, servers: list[dict[str, Any]], name: str
) -> None:
    """Short and long names of a service resolve in a pod on each worker."""
    for pod in servers:
        host = name.format(web=web, namespace=namespace)
        assert _dial(cluster, pod, host) <= set(pods.names(servers)), host


def test_unknown_names_do_not_resolve(cluster: Cluster, servers: list[dict[str, Any]]) -> None:
    """Unknown names inside and outside of the cluster fail at once, because CoreDNS has no other name server."""
    for host in ("no-such-service", "example.com"):
        arguments = ("--", "/agnhost", "connect", f"{host}:80", "--timeout=5s")
        answer = cluster.kubectl("exec", _name(servers[0]), _in(servers[0]), *arguments)
        assert answer.code != 0 and "DNS:" in answer.text, answer.text
        assert "timeout" not in answer.text


def test_logs_and_exec_on_every_worker(cluster: Cluster, servers: list[dict[str, Any]]) -> None:
    """The API server connects to the kubelets with its client certificate."""
    for pod in servers:
        logs = cluster.kubectl("logs", _name(pod), _in(pod)).ok()
        assert f"Started HTTP server on port {pods.PORT}" in logs
        suffixes = cluster.kubectl("exec", _name(pod), _in(pod), "--", "/agnhost", "dns-suffix").ok()
        assert suffixes.strip().split(",")[0] == f"{pod['metadata']['namespace']}.svc.cluster.local"


def test_a_pod_that_is_deleted_is_replaced(cluster: Cluster, servers: list[dict[str, Any]], web: str) -> None:
    """The service continues to answer from the other pods."""
    cluster.kubectl("delete", "pod", _name(servers[0]), _in(servers[0])).ok()
    cluster.kubectl.rolled_out(servers[0]["metadata"]["namespace"], web)
    now = cluster.kubectl.items("pods", _in(servers[0]), f"--selector=app={web}")
    alive = {
        name for pod, name in zip(now, pods.names(now), strict=True) if not pod["metadata"].get("deletionTimestamp")
    }
    assert len(alive) == 3 and _name(servers[0]) not in alive

    def answered() -> None:
        source = next(pod for pod in now if pod["metadata"]["name"] in alive)
        assert _dial(cluster, source, web, tries=20) <= alive

    eventually(answered, 10, "only replicas that are alive answer")


def _dial(cluster: Cluster, source: dict[str, Any], host: str, *, protocol: str = "http", tries: int = 1) -> set[str]:
    """The names of the pods that answer requests of the pod `source` to `host` (through the pod proxy of the API)."""
    port = pods.PORT if protocol == "http" else 8081
    query = f"host={host}&port={port}&request=hostname&protocol={protocol}&tries={tries}"
    namespace, name = source["metadata"]["namespace"], _name(source)
    path = f"/api/v1/namespaces/{namespace}/pods/{name}:{pods.PORT}/proxy/dial?{query}"
    answer = json.loads(cluster.kubectl("get", "--raw", path).ok())
    assert not answer.get("errors"), f"{name} to {host}: {answer['errors']}"
    return set(answer["responses"])


def _name(pod: dict[str, Any]) -> str:
    name: str = pod["metadata"]["name"]
    return name


def _in(pod: dict[str, Any]) -> str:
    return f"--namespace={pod['metadata']['namespace']}"
