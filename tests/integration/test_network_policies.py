"""kube-network-policies as it is built here, with a real API server and pods that are network namespaces.

A node with two bridges: packets between them are routed, as between nodes, and packets of one bridge cross only this
bridge.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from api_server import MERGE, ApiServer, api_server
from private_network import private_network, run
from scratch_machine import ScratchMachine

from components.addons.isolation import policy_spec
from components.network_policies.names import QUEUE, TABLE
from components.network_policies.node import rules
from components.network_policies.objects import NAME, RIGHTS
from components.node import scripts
from tests.wait import becomes, eventually
from tools.common.paths import shared_cache
from tools.common.store import Store
from tools.from_source import catalogue, gobuild

NAMESPACES = "/api/v1/namespaces"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PORT = 8080
PODS = {
    # Name, and so namespace, bridge and address.
    "walled/server": ("left", "10.244.1.11"),
    "walled/friend": ("right", "10.244.2.12"),
    "open/near": ("left", "10.244.1.13"),
    "open/far": ("right", "10.244.2.14"),
}
DNS = ("kube-system/dns", "right", "10.244.2.53")


def built(program: catalogue.Program) -> Path:
    """A program from the shared cache. Skips the test if it has not been built."""
    found = gobuild.find(program, Store(shared_cache() / "store"))
    if found is None:
        pytest.skip(f"no {program.name} in the shared cache yet: run `make tools`")
    return found


@dataclass
class Node:
    """The node, its API, and the engine."""

    server: ApiServer
    folder: Path
    agnhost: Path
    pods: dict[str, int] = field(default_factory=dict)
    """The process that holds the network of each pod."""
    engine: subprocess.Popen[bytes] | None = None

    def add_pod(self, name: str, bridge: str, address: str, stack: ExitStack) -> None:
        """A pod with a web server, as a kubelet reports it."""
        namespace, _, pod = name.partition("/")
        holder = stack.enter_context(process(["unshare", "--net", "sleep", "infinity"]))
        eventually(lambda: network(str(holder.pid)) != network("thread-self"), 30, name)
        device, gateway = f"v{address.rpartition('.')[2]}", f"{address.rpartition('.')[0]}.1"
        run(
            f"ip link add {device} type veth peer name eth0 netns {holder.pid}\n"
            f"ip link set {device} master {bridge} up\n"
            f"in='nsenter --target {holder.pid} --net'\n"
            f"$in ip link set lo up; $in ip link set eth0 up; $in ip address add {address}/24 dev eth0\n"
            f"$in ip route add default via {gateway}"
        )
        port = 53 if name == DNS[0] else PORT
        serve = [str(self.agnhost), "netexec", f"--http-port={port}", "--udp-port=8081"]
        stack.enter_context(process(["nsenter", "--target", str(holder.pid), "--net", *serve]))
        self.pods[name] = holder.pid
        labels = {"app": pod, **({"k8s-app": "kube-dns"} if name == DNS[0] else {})}
        spec = {"nodeName": "node", "containers": [{"name": "main", "image": "none"}]}
        path = f"{NAMESPACES}/{namespace}/pods"
        self.server.ask("POST", path, {"metadata": {"name": pod, "labels": labels}, "spec": spec})
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        self.server.ask("PATCH", f"{path}/{pod}/status", {"status": status}, MERGE)

    def connects(self, source: str, target: str, port: int = PORT) -> bool:
        """Whether a new connection of one pod to another is answered."""
        address = DNS[2] if target == DNS[0] else PODS[target][1]
        words = [str(self.agnhost), "connect", f"{address}:{port}", "--timeout=500ms"]
        done = subprocess.run(
            ["nsenter", "--target", str(self.pods[source]), "--net", *words], capture_output=True, check=False
        )
        assert done.returncode == 0 or b"TIMEOUT" in done.stderr + done.stdout, done
        return done.returncode == 0

    def start_engine(self) -> None:
        """Start the engine as its pod does: as root with one capability, with the token of its account."""
        account = f"{NAMESPACES}/{NAME}/serviceaccounts/{NAME}"
        token = self.server.ask("POST", f"{account}/token", {"spec": {}})["status"]["token"]
        (self.folder / "token").write_text(token)
        at = "/run/secrets/kubernetes.io/serviceaccount"
        script = (
            f"mount -t tmpfs tmpfs /run; mkdir -p {at}; cp {self.folder}/token {at}/token; "
            f"cp {self.server.folder}/web.pem {at}/ca.crt; cd /; exec setpriv --bounding-set=-all,+net_admin "
            f"{built(catalogue.KUBE_NETWORK_POLICIES)} --hostname-override=node --nfqueue-id={QUEUE} "
            "--metrics-bind-address=127.0.0.1:10251"
        )
        around = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.server.port)}
        with (self.folder / "engine.log").open("ab") as log:
            self.engine = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script],
                env={**os.environ, **around},
                stdout=log,
                stderr=log,
            )
        eventually(lambda: "chain postrouting" in table() and is_read(), 30, "the engine enforces")

    def stop_engine(self) -> None:
        """Kill the engine."""
        if self.engine:
            self.engine.kill()
            self.engine.wait(10)
        self.engine = None

    def isolate(self) -> None:
        """The policy of the page."""
        self.server.ask("POST", POLICIES, {"metadata": {"name": "hardway"}, "spec": policy_spec()})


POLICIES = "/apis/networking.k8s.io/v1/namespaces/walled/networkpolicies"
ISOLATED = {
    ("walled/friend", "walled/server"): True,
    ("open/near", "walled/server"): False,
    ("open/far", "walled/server"): False,
    ("walled/server", "open/near"): False,
    ("walled/server", "open/far"): False,
    ("open/near", "open/far"): True,
}


def network(process: str) -> Path:
    return Path(f"/proc/{process}/ns/net").readlink()


def table() -> str:
    done = subprocess.run(["nft", "list", "table", "inet", TABLE], capture_output=True, text=True, check=False)
    return done.stdout


def is_read() -> bool:
    return any(line.split()[0] == str(QUEUE) for line in Path("/proc/thread-self/net/netfilter/nfnetlink_queue").open())


@contextmanager
def process(words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait(10)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The node with all its pods and without its engine."""
    agnhost = built(catalogue.AGNHOST)
    built(catalogue.KUBE_NETWORK_POLICIES)
    folder = tmp_path_factory.mktemp("node")
    with ExitStack() as stack:
        stack.enter_context(private_network())
        for bridge, address in (("left", "10.244.1.1/24"), ("right", "10.244.2.1/24")):
            run(f"ip link add {bridge} type bridge; ip link set {bridge} up; ip address add {address} dev {bridge}")
        run("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables")
        server = stack.enter_context(api_server(folder, "--advertise-address=10.244.1.1"))
        made = Node(server, folder, agnhost)
        stack.callback(made.stop_engine)
        for name in ("walled", "open", NAME):
            server.ask("POST", NAMESPACES, {"metadata": {"name": name}})
        for name in ("walled", "open", "kube-system"):
            server.ask("POST", f"{NAMESPACES}/{name}/serviceaccounts", {"metadata": {"name": "default"}})
        grant(server)
        for name, (bridge, address) in (*PODS.items(), (DNS[0], DNS[1:])):
            made.add_pod(name, bridge, address, stack)
        ways = [*ISOLATED, ("walled/server", DNS[0])]
        eventually(lambda: all(made.connects(a, b, 53 if b == DNS[0] else PORT) for a, b in ways), 30, "the pods serve")
        yield made


def grant(server: ApiServer) -> None:
    """The rights of the engine, as the program gives them."""
    server.ask("POST", f"{NAMESPACES}/{NAME}/serviceaccounts", {"metadata": {"name": NAME}})
    written = [{"apiGroups": rule["api_groups"], **{k: rule[k] for k in ("resources", "verbs")}} for rule in RIGHTS]
    server.ask("POST", f"{RBAC}/clusterroles", {"metadata": {"name": NAME}, "rules": written})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME}
    subjects = [{"kind": "ServiceAccount", "name": NAME, "namespace": NAME}]
    server.ask(
        "POST", f"{RBAC}/clusterrolebindings", {"metadata": {"name": NAME}, "roleRef": role, "subjects": subjects}
    )


def connections(node: Node) -> dict[tuple[str, str], bool]:
    return {way: node.connects(*way) for way in ISOLATED}


@pytest.fixture(scope="module")
def enforced(node: Node) -> Node:
    node.start_engine()
    node.isolate()
    return node


def test_before_the_engine_the_rules_of_the_node_refuse_pods_and_nothing_else(node: Node) -> None:
    """The engine takes them away by its first rules, in one transaction."""
    (node.folder / "rules.nft").write_text(rules("10.244.0.0/16"))
    run(f"nft -f {node.folder}/rules.nft")
    assert not any(node.connects(*way) for way in ISOLATED)
    # The node itself, as a kubelet does.
    address = PODS["walled/server"][1]
    assert subprocess.run([str(node.agnhost), "connect", f"{address}:{PORT}"], check=False).returncode == 0
    node.start_engine()
    assert "not-enforced-yet" not in table()
    assert all(node.connects(*way) for way in ISOLATED)
    node.stop_engine()


def test_an_isolated_namespace(enforced: Node) -> None:
    """Between bridges and on one bridge, in both directions; DNS is allowed at its port, and at no other."""
    becomes(lambda: connections(enforced), ISOLATED, 30, "the isolation holds")
    assert enforced.connects("walled/server", DNS[0], 53)
    assert not enforced.connects("walled/server", DNS[0], 8081)


def test_the_engine_has_one_capability(enforced: Node) -> None:
    assert enforced.engine
    status = Path(f"/proc/{enforced.engine.pid}/status").read_text()
    (effective,) = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")]
    assert int(effective, 16) == 1 << 12


def test_a_policy_of_people_adds_to_it(enforced: Node) -> None:
    spec: dict[str, Any] = {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]}
    spec["ingress"] = [{"ports": [{"port": PORT}]}]
    enforced.server.ask("POST", POLICIES, {"metadata": {"name": "own"}, "spec": spec})
    eventually(lambda: enforced.connects("open/far", "walled/server"), 30, "it is open")
    assert enforced.connects("open/near", "walled/server") and not enforced.connects("walled/server", "open/far")
    enforced.server.ask("DELETE", f"{POLICIES}/own")
    becomes(lambda: connections(enforced), ISOLATED, 30, "it is closed again")


def test_without_the_engine_new_connections_of_selected_pods_wait(enforced: Node) -> None:
    """Closed, not open; and nobody else is concerned."""
    enforced.stop_engine()
    expected = {way: way == ("open/near", "open/far") for way in ISOLATED}
    assert {way: enforced.connects(*way) for way in ISOLATED} == expected
    enforced.start_engine()
    becomes(lambda: connections(enforced), ISOLATED, 30, "the isolation holds again")


@contextmanager
def guarded(node: Node, folder: Path) -> Iterator[None]:
    """Run the script of nodes that brings back rules.

    The stand-in of systemctl says that policies are turned on, and that of crictl kills the engine.
    """
    machine, refusing = ScratchMachine(folder), folder / "rules.nft"
    refusing.write_text(rules("10.244.0.0/16"))
    machine.program("systemctl", "[ $1 != is-active ] || echo active\n")
    # Of the network in which the script runs.
    (machine.sysroot / "proc/net").symlink_to("/proc/net")
    assert node.engine
    kill = f"case $1 in ps) echo 1a2b ;; stop) kill -KILL {node.engine.pid} ;; esac\n"
    machine.program("crictl", kill, at=machine.root / "bin")
    with (folder / "guard.log").open("wb") as log:
        running = subprocess.Popen(
            ["sh", str(scripts.path("nftables_guard")), TABLE, str(QUEUE), str(refusing)],
            env=machine.environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        eventually((machine.sysroot / "run/nftables-guard" / f"inet-{TABLE}").exists, 30, "the guard knows the rules")
        yield
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(10)


def kernel_has_queues() -> bool:
    """Whether nft may write what it reads: without the module nft_queue, the program uses that of iptables."""
    script = "nft add table inet try; nft add chain inet try c; nft add rule inet try c queue num 9"
    done = subprocess.run(["sh", "-euc", script], capture_output=True, check=False)
    run("nft delete table inet try")
    return done.returncode == 0


def enforced_again(node: Node) -> None:
    node.stop_engine()
    node.start_engine()
    becomes(lambda: connections(node), ISOLATED, 30, "the isolation holds again")


def test_the_engine_does_not_notice_that_its_rules_are_gone(enforced: Node) -> None:
    """All pods may connect, until a policy or a pod changes. So nodes have a guard."""
    run("nft flush ruleset")
    assert all(enforced.connects(*way) for way in ISOLATED)
    enforced_again(enforced)


def test_flushed_rules_come_back(enforced: Node, tmp_path: Path) -> None:
    """At once, and without the engine. If the kernel does not have what that needs, then pods wait for the engine."""
    before = table()
    with guarded(enforced, tmp_path):
        run("nft flush ruleset")
        if kernel_has_queues():
            becomes(table, before, 30, "the rules are back")
            assert enforced.engine and enforced.engine.poll() is None
        else:
            eventually(lambda: "not-enforced-yet" in table(), 30, "nothing is open")
            assert not any(enforced.connects(*way) for way in ISOLATED)
            assert enforced.engine and enforced.engine.wait(10) == -signal.SIGKILL
            enforced.start_engine()
        becomes(lambda: connections(enforced), ISOLATED, 30, "the isolation holds again")


def test_without_the_policy_everything_connects(enforced: Node) -> None:
    enforced.server.ask("DELETE", f"{POLICIES}/hardway")
    eventually(lambda: all(enforced.connects(*way) for way in ISOLATED), 30, "traffic flows again")
