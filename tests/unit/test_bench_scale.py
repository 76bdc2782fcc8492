"""The pure parts of `--what scale`: objects, command lines, answers of machines, requests, the table."""

import http.server
import ipaddress
import json
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import cluster

from bench import fake_objects, kwok, requests
from bench.__main__ import main
from bench.checks import Checks, checking
from bench.inside import (
    API_PROXY,
    ETCD_PROXY_NAME,
    Inside,
    Rules,
    Use,
    component_of,
    database_of,
    rules_of,
    use_of,
)
from bench.rolling import Step
from bench.scale import Roll, Scale, State, check, flags_with
from bench.scale_table import table
from bench.writes import Latencies
from components.config import load
from components.node.render.sizing import flags_for
from tests.e2e.support.kubeconfig import Credentials
from tests.e2e.support.stack import laptop_page


@pytest.mark.parametrize(
    ("nodes", "network"),
    [
        (20, "10.244.0.0/16"),
        (251, "10.244.0.0/16"),
        (252, "10.244.0.0/15"),
        (500, "10.244.0.0/15"),
        (1000, "10.244.0.0/14"),
    ],
)
def test_the_network_of_pods_has_a_part_for_each_node(nodes: int, network: str) -> None:
    """Five nodes of the page come on top."""
    values = fake_objects.page_with_room(laptop_page("bench"), nodes)
    page = load({key.partition(":")[2]: value for key, value in values.items()})
    found = ipaddress.IPv4Network(page.network.pod_cidr)
    assert str(found) == network
    assert 2 ** (24 - found.prefixlen) >= nodes + 5


def test_flags_are_those_of_a_page_with_all_nodes() -> None:
    page = laptop_page("bench")
    assert flags_with(page, 95) == {}
    client = {"kube-controller-manager", "kube-scheduler"}
    assert flags_with(page, 96).keys() == client == flags_with(page, 495).keys()
    found = flags_with(page, 496)
    assert found == {name: flags_for(name, 501) for name in (*client, "kube-apiserver")}
    assert load({key.partition(":")[2]: value for key, value in (page | {"hardway:extraArgs": found}).items()})


def test_sizes_have_limits() -> None:
    assert check(500, 5000) is None and check(1, 100) is None and check(1000, 100_000) is None
    assert check(0, 1) == "--nodes: 0; allowed: 1 to 1000" == check(0, 0)
    assert check(1001, 1) == "--nodes: 1001; allowed: 1 to 1000"
    assert check(2, 201) == "--pods: 201; allowed: 1 to 200, 100 on each of 2 nodes"
    assert check(2, 0) == "--pods: 0; allowed: 1 to 200, 100 on each of 2 nodes"


def test_a_wrong_size_ends_before_anything_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--what", "scale", "--nodes", "1001"])
    assert "--nodes: 1001; allowed: 1 to 1000" in capsys.readouterr().err


def test_nodes_belong_to_kwok_and_repel_other_pods() -> None:
    found = fake_objects.nodes(300)
    names = [node["metadata"]["name"] for node in found]
    addresses = {node["status"]["addresses"][0]["address"] for node in found}
    assert len(set(names)) == len(addresses) == 300
    assert all(ipaddress.ip_address(address) in ipaddress.ip_network("198.18.0.0/15") for address in addresses)
    for node in found:
        assert node["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}
        assert node["spec"] == {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]}


def test_flannel_gets_another_machine_for_each_node() -> None:
    found = fake_objects.leases_of_flannel(300)
    data = [json.loads(node["metadata"]["annotations"]["flannel.alpha.coreos.com/backend-data"]) for node in found]
    assert len({one["VtepMAC"] for one in data}) == 300 and data[299]["VtepMAC"] == "02:00:00:00:01:2b"
    assert [node["metadata"]["name"] for node in found] == [fake_objects.name_of(index) for index in range(300)]


def test_each_pod_belongs_to_a_service_and_goes_to_nodes_of_kwok() -> None:
    assert fake_objects.shares(5000) == [50] * 100
    assert fake_objects.shares(120) == [50, 50, 20] and fake_objects.shares(1) == [1]
    found = fake_objects.workloads(120)
    assert Counter(one["kind"] for one in found) == {"Deployment": 3, "Service": 3}
    for service, deployment in zip(found[::2], found[1::2], strict=True):
        pod = deployment["spec"]["template"]
        assert service["spec"]["selector"] == pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"]
        assert pod["spec"]["nodeSelector"] == fake_objects.SELECTOR
        assert pod["spec"]["tolerations"] == [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}]
    assert json.loads(fake_objects.as_list(found))["kind"] == "List"


def test_the_token_of_kwok_is_in_no_command_line() -> None:
    admin = {"clusters": [{"name": "bench", "cluster": {"server": "https://127.0.0.1:1"}}], "users": ["of the admin"]}
    text = kwok.kubeconfig_with(admin, "the-token")
    config = json.loads(text)
    assert config["users"] == [{"name": "kwok-controller", "user": {"token": "the-token"}}]
    assert config["clusters"] == admin["clusters"] and "of the admin" not in text
    words = kwok.command(Path("/store/kwok-1/kwok"), Path("/clone/kubeconfig"))
    assert "the-token" not in " ".join(words)
    assert words[:5] == ["setpriv", "--pdeathsig", "KILL", "--", "/store/kwok-1/kwok"]
    assert "--config=/store/kwok-1/stage/pod/fast/pod-ready.yaml" in words


def test_processes_belong_to_components() -> None:
    text = "\n".join(
        [
            "1024 100 50 /opt/kubernetes/bin/kube-apiserver --flag=/usr/sbin/haproxy ",
            "2048 10 0 /usr/sbin/haproxy -Ws -f /opt/kubernetes/cfg/etcd-proxy.cfg ",
            "512 1 1 /usr/sbin/haproxy -sf 5 -Ws -f /opt/kubernetes/cfg/etcd-proxy.cfg ",
            "4096 0 0 /usr/sbin/haproxy -Ws -f /opt/kubernetes/cfg/haproxy.cfg ",
            "900 0 0 /sbin/init ",
            "3072 0 0 /opt/bin/flanneld --ip-masq ",
            "100 0 0 /opt/kubernetes/bin/containerd-shim-runc-v2 -namespace k8s.io ",
        ]
    )
    assert use_of(text) == {
        "kube-apiserver": Use(1.0, 1.5),
        ETCD_PROXY_NAME: Use(2.5, 0.12),
        API_PROXY: Use(4.0, 0.0),
        "flanneld": Use(3.0, 0.0),
    }
    assert component_of("") is None


def test_only_tables_of_kube_proxy_count() -> None:
    def of(kind: str, table: str, **more: object) -> dict[str, object]:
        return {kind: {"family": "ip", "table": table, **more}}

    entries = [
        {"metainfo": {"version": "1"}},
        {"table": {"family": "ip", "name": "kube-proxy"}},
        of("chain", "kube-proxy", name="a"),
        of("chain", "kube-proxy", name="b"),
        of("rule", "kube-proxy", chain="a"),
        of("map", "kube-proxy", name="m", elem=[["k", "v"], ["l", "w"]]),
        of("set", "kube-proxy", name="s"),
        of("rule", "flannel-ipv4", chain="a"),
    ]
    assert rules_of(json.dumps({"nftables": entries})) == Rules(rules=1, chains=2, elements=2, pods=0)


def test_pods_are_elements_of_maps_inside_of_rules() -> None:
    """As nft 1.0.6 writes rules of a service with pods, of one with affinity, and of one with a single pod."""

    def of(*expressions: object) -> dict[str, object]:
        return {"rule": {"family": "ip", "table": "kube-proxy", "chain": "c", "expr": list(expressions)}}

    numgen = {"numgen": {"mode": "random", "mod": 3, "offset": 0}}
    pods = [[n, {"concat": [f"10.244.1.{n}", 80]}] for n in range(3)]
    jumps = [[n, {"goto": {"target": f"endpoint-{n}"}}] for n in range(2)]
    states = {"match": {"op": "==", "left": {"ct": {"key": "state"}}, "right": {"set": ["established", "related"]}}}
    entries = [
        of(states, {"dnat": {"family": "ip", "addr": {"map": {"key": numgen, "data": {"set": pods}}}}}),
        of({"vmap": {"key": numgen, "data": {"set": jumps}}}),
        of({"vmap": {"key": {"payload": {"protocol": "ip", "field": "daddr"}}, "data": "@service-ips"}}),
        of({"dnat": {"addr": "10.244.1.9", "port": 80}}, {"accept": None}),
    ]
    assert rules_of(json.dumps({"nftables": entries})) == Rules(rules=4, chains=0, elements=0, pods=5)


def test_the_size_of_a_database() -> None:
    assert database_of(json.dumps([{"Status": {"dbSize": 3 << 20, "dbSizeInUse": 1 << 20}}])) == (3.0, 1.0)


def inside(cpu: float) -> Inside:
    use = {"kube-apiserver": [Use(300, cpu), Use(500, 2 * cpu)], "kubelet": [Use(80, 0.0)]}
    return Inside(use, Rules(1200, 345, 67, 5000), 504, {API_PROXY: 9}, [44.0, 45.6], [30.0], 12345)


def test_cores_are_those_of_all_machines() -> None:
    assert inside(30).cores_since(inside(0), 60) == {"kube-apiserver": 1.5, "kubelet": 0.0}


def test_a_checking_proxy_has_only_the_servers_of_the_real_one() -> None:
    """Also a control-plane node's, which has a section more."""
    for node in ("worker-1", "cp-1"):
        (file,) = (file for file in cluster("stacked").part(node).files if file.path == "cfg/haproxy.cfg")
        assert isinstance(file.content, str)
        text = checking(file.content, 3)
        assert text.startswith("global\n") and text.count("bind ") == 1 and "16443" not in text
        assert "own-api-server" not in text
        assert [line for line in text.splitlines() if line.startswith("backend")] == [
            f"backend checks-{number}" for number in (1, 2, 3)
        ]
        assert text.count("  server cp-2 ") == 3 and text.count("check-ssl") == 3


def test_a_check_costs_what_the_checks_added() -> None:
    found = Checks(proxies=40, without=0.1, during=0.14)
    assert found.milliseconds == pytest.approx(2.0) and found.cores_for(500) == pytest.approx(0.5)


def test_requests_are_due_at_their_rate() -> None:
    assert list(requests.due_times(10.0, 12.0, 2)) == [10.0, 10.5, 11.0, 11.5]
    assert list(requests.due_times(10.0, 10.1, 2)) == [10.0]


class Api(http.server.BaseHTTPRequestHandler):
    """Refuses each second POST of a made object, and answers everything else."""

    protocol_version = "HTTP/1.1"
    seen: Counter[str]
    posts = 0

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen[self.command] += 1
        status = 200
        if self.command == "POST" and b'"hardway-bench-' in body:
            type(self).posts += 1
            status = 429 if self.posts % 2 else 201
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def self_signed(folder: Path) -> Credentials:
    """A certificate for 127.0.0.1 with its key, which signs itself."""
    found = Credentials(folder / "a.pem", folder / "a.pem", folder / "a.key")
    files = ["-keyout", str(found.key), "-out", str(found.cert)]
    name = ["-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", *key, *name, *files], capture_output=True, check=True)
    return found


@pytest.fixture
def api(tmp_path: Path) -> Iterator[tuple[str, Credentials]]:
    """A server with TLS, and files for a client."""
    credentials = self_signed(tmp_path)
    Api.seen, Api.posts = Counter(), 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credentials.cert, credentials.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}", credentials
    server.shutdown()
    server.server_close()


def test_refused_requests_are_counted_and_made_objects_removed(api: tuple[str, Credentials]) -> None:
    url, credentials = api
    found = requests.measure(url, credentials, requests.requests_of("cp-1"), seconds=2)
    made = found["CREATE of a ConfigMap of 1 KiB"]
    assert made.count + made.failed == Api.posts > 2 and 0 <= made.failed - made.count <= 1
    read = found["GET of a Node"]
    assert read.failed == 0 and made.count < read.count <= 20
    # The first POST makes what is changed. The last request removes everything.
    assert Api.seen["POST"] == Api.posts + 1 and Api.seen["DELETE"] == 1


def test_a_kind_that_never_succeeds_is_an_error(api: tuple[str, Credentials]) -> None:
    url, credentials = api
    refused = requests.Request("POST", 1, "POST", "/", lambda _: {"metadata": {"name": "hardway-bench-1"}})
    with pytest.raises(AssertionError, match="POST: none of 1 requests succeeded"):
        requests.measure(url, credentials, [refused], seconds=0.5)


def test_the_table_compares_both_states() -> None:
    def state(nodes: int, pods: int, ms: float) -> State:
        latencies = {"GET of a Node": Latencies(600, ms, 10 * ms, 99, failed=1)}
        roll = Roll([Step("cp-1", 0, 11.04), Step("all", 0, 40)], 300, 0, 0.42)
        return State(nodes, pods, latencies, 1.25, {"kube-apiserver": 0.5}, inside(1), roll, 12.3)

    flags = {"kube-scheduler": {"kube-api-qps": "100"}}
    found = Scale(Checks(40, 0.1, 0.14), state(0, 0, 4), state(500, 5000, 6), 35.4, 301.2, flags, 99.6)
    text = table(found)
    assert "| | 0 nodes more | 500 nodes more, 5,000 pods |" in text
    assert "| GET of a Node: p50, p99 ms | 4, 40 | 6, 60 |" in text
    assert "| requests that failed | 1 | 1 |" in text
    assert "| kube-apiserver: MiB; cores | 300 to 500; 0.50 | 300 to 500; 0.50 |" in text
    assert "| kube-proxy: pods in maps of rules in the kernel of a node | 5,000 | 5,000 |" in text
    assert "| etcd: database, MiB | 44 to 46 | 44 to 46 |" in text
    assert "| a flag of API servers, cp-1: s | 11.0 | 11.0 |" in text
    assert "All nodes were Ready after 35 s, then all pods were running after 301 s." in text
    assert "(kube-scheduler --kube-api-qps=100), they were running again after 100 s." in text
    assert "A page with as many nodes has the same flags." in table(replace(found, flags={}, again=None))
    assert "2.00 ms of CPU" in text and "would be 0.50 cores of each API server" in text
