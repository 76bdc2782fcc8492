"""What a workload answers, and what the kernel has of the services of a cluster."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.vm.machine import VirtualMachine
from tests.e2e.vm.place import NODE_PORT, Place

_LOOK = """
echo "virtual servers: $(grep -cE '^(TCP|UDP) ' /proc/net/ip_vs 2>/dev/null)"
echo "interfaces: $(ls /sys/class/net | grep -cx kube-ipvs0)"
echo "sets: $(ipset list -name 2>/dev/null | grep -c '^KUBE-')"
kubelet='KUBE-(FIREWALL|IPTABLES-HINT|KUBELET-CANARY)'
echo "chains: $(iptables-save 2>/dev/null | grep '^:KUBE-' | grep -cvE "^:$kubelet ")"
echo "tables: $(nft list tables 2>/dev/null | grep -cE ' (kube-proxy|flannel-ipv4)$')"
"""


@dataclass(frozen=True)
class Mechanisms:
    """How many things of each mechanism the kernel has. `chains` are those of iptables, without the kubelet's own."""

    virtual_servers: int
    interfaces: int
    sets: int
    chains: int
    tables: int


def mechanisms(machine: VirtualMachine) -> Mechanisms:
    """Count the things of ipvs, iptables and nftables that kube-proxy has made, and the tables of flannel."""
    lines = (line.partition(": ") for line in machine.run(_LOOK).ok().splitlines())
    return Mechanisms(**{name.replace(" ", "_"): int(number or 0) for name, _, number in lines})


def answers(cluster: Cluster, place: Place, namespace: str, web: str) -> None:
    """Fails if a replica is not reached by node port, by cluster address and by name, from outside, node and pod."""
    # Pods that a reboot has ended stay until somebody collects them.
    running = ("--field-selector=status.phase=Running", f"--selector=app={web}")
    servers = cluster.kubectl.items("pods", f"--namespace={namespace}", *running)
    assert servers, "no pod runs"
    names = set(pods.names(servers))
    address = cluster.kubectl.get("service", web, f"--namespace={namespace}")["spec"]["clusterIP"]
    assert _get(f"http://127.0.0.1:{place.ports[NODE_PORT]}/hostname") in names, "node port, from outside"
    said = place.machine.run(f"curl -fsS --max-time 10 http://{address}:8080/hostname").ok()
    assert said in names, "cluster address, from the node"
    for host in (address, web, f"{web}.{namespace}.svc.cluster.local"):
        query = f"host={host}&port=8080&request=hostname&protocol=http&tries=1"
        path = f"/api/v1/namespaces/{namespace}/pods/{servers[0]['metadata']['name']}:{pods.PORT}/proxy/dial?{query}"
        answer = json.loads(cluster.kubectl("get", "--raw", path).ok())
        assert not answer.get("errors") and set(answer["responses"]) <= names, f"{host}, from a pod: {answer}"


def _get(url: str) -> str:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=15) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError) as error:
        raise AssertionError(f"{url}: {error}") from error
