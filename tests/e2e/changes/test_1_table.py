"""The table of changes (components/config/changes.py) on the running cluster: free values, rolled values, and back."""

import json
from typing import Any

import pytest
import yaml

from components.resource_names import name_of
from tests.e2e.changes.conftest import Probes, Web
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say
from tests.e2e.support.units import invocations, restarted
from tests.e2e.support.watch import watching
from tests.wait import becomes, eventually

KINDS = ("nodes", "namespaces", "clusterroles", "clusterrolebindings", "deployments", "daemonsets", "secrets")
SSL = "/opt/kubernetes/ssl"
RACK, SAN = "example.com/rack", "api.example.com"
# Nothing answers there, so API servers start without their issuer.
ISSUER = {
    "url": "https://192.0.2.1/realms/staff",
    "audiences": ["kubernetes"],
    "claimMappings": {"username": {"claim": "sub", "prefix": "oidc:"}},
}
TAINT = {"key": "example.com/slow", "value": "yes", "effect": "PreferNoSchedule"}


TOKEN = "8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e"
WAYS = ("proxy", "tokenWebhook", "tokens", "authorizationWebhook")
"""Keys of `access` with further ways to log in."""


def ways_in(cluster: Cluster) -> dict[str, Any]:
    """Each further way to log in. Nothing answers at the services, so nobody of the cluster may need them."""
    authority = cluster.machines["cp-1"].read(f"{SSL}/kubernetes-ca.pem")
    service = {"url": "https://192.0.2.1/ask", "certificateAuthority": authority}
    return {
        "proxy": {"names": ["login"], "prefix": "sso:"},
        "tokenWebhook": {**service, "prefix": "corp:"},
        "authorizationWebhook": {**service, "timeout": "1s"},
        "tokens": [{"name": "robot", "groups": ["robots"], "token": encrypted(cluster, TOKEN)}],
        "namespaces": [
            {"name": "pinned", "nodeSelector": {RACK: "r1"}},
            {"name": "tainted", "tolerations": {"default": [{"key": TAINT["key"], "operator": "Exists"}]}},
        ],
    }


def encrypted(cluster: Cluster, text: str) -> dict[str, str]:
    """A secret as a page has it. Pulumi encrypts it with the key of the stack."""
    stack, scratch = cluster.stack, cluster.stack.folder / "encrypted.yaml"
    scratch.write_text(stack.clone.page(stack.name).read_text())
    command = ["pulumi", "config", "set", "--secret", "--non-interactive", "--stack", stack.name]
    command += ["--config-file", str(scratch), "hardway:secret"]
    ask(command, cwd=stack.clone.root, env=stack.environment(), stdin=text).ok()
    found: dict[str, str] = yaml.safe_load(scratch.read_text())["config"]["hardway:secret"]
    return found


def merged(cluster: Cluster, /, **changes: dict[str, Any]) -> dict[str, Any]:
    """Values of top-level keys with some of their values changed."""
    return {f"hardway:{key}": {**cluster.stack.page.get(f"hardway:{key}", {}), **new} for key, new in changes.items()}


def nodes(cluster: Cluster, /, **changes: dict[str, Any]) -> dict[str, Any]:
    """The nodes of the page with some values changed, by name with _ for -."""
    listed = cluster.stack.page["hardway:nodes"]
    return {"hardway:nodes": [{**node, **changes.get(node["name"].replace("-", "_"), {})} for node in listed]}


def certificate(cluster: Cluster, what: str) -> str:
    """A certificate of cp-1 as OpenSSL prints it."""
    return cluster.machines["cp-1"].run(f"openssl x509 -noout -text -in {SSL}/{what}.pem").ok()


def shown(cluster: Cluster, name: str, address: str) -> str:
    """The certificate that a server shows to a program of the machine `name`, as OpenSSL prints it."""
    asked = f"openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -text"
    return cluster.machines[name].run(asked).stdout


def servers(cluster: Cluster, machine: Machine) -> dict[str, str]:
    """Where the servers of a machine listen, by the folder of their certificates."""
    found = {"kubelet": f"{machine.address}:10250"}
    if machine in cluster.having("control-plane"):
        found |= {"kube-apiserver": f"127.0.0.1:{cluster.api_port}", "etcd": f"{machine.address}:2379"}
        found |= {"kube-controller-manager": "127.0.0.1:10257", "kube-scheduler": "127.0.0.1:10259"}
    return found


def protected(cluster: Cluster) -> set[str]:
    """The names of the resources that `make down` refuses to delete."""
    resources = cluster.stack.exported()["deployment"]["resources"]
    return {name_of(found["urn"]) for found in resources if found.get("protect")}


def objects(cluster: Cluster) -> dict[str, str]:
    """The uid of each object by kind, namespace and name. Another configuration of flannel makes a new DaemonSet."""
    found = {}
    for kind in KINDS:
        for item in cluster.kubectl.items(kind, "--all-namespaces"):
            meta = item["metadata"]
            if meta.get("namespace") != "kube-flannel":
                found[f"{kind} {meta.get('namespace', '')}/{meta['name']}"] = meta["uid"]
    return found


@pytest.mark.proves_changes(
    *("nodes[].labels", "pki.subject", "pki.authorities", "pki.profiles", "pki.algorithm"),
    *("api.extraSans", "access"),
)
def test_free_values_restart_nothing(cluster: Cluster, probes: Probes, say: Say) -> None:
    """All free values of local machines at once: no unit restarts, and each value is where it belongs.

    Leaves get the new subject and algorithm; authorities stay until their next generation.
    """
    before, authority = invocations(cluster), certificate(cluster, "kubernetes-ca")
    subject = {**cluster.stack.page["hardway:pki"]["subject"], "locality": "Berlin"}
    developers = cluster.stack.page["hardway:access"]["developers"]
    short = {"lifetime": "1500h", "renewBefore": "500h"}
    profiles = {**cluster.stack.page["hardway:pki"]["profiles"], "server": short}
    cluster.change(
        merged(
            cluster,
            pki={
                "subject": subject,
                "authorities": {"lifetime": "43800h", "renewBefore": "8760h"},
                "profiles": profiles,
                "algorithm": "ecdsa-p384",
            },
            api={"extraSans": [SAN]},
            access={"developers": [*developers, {"name": "second", "namespace": "another"}]},
        )
        | nodes(cluster, worker_1={"labels": {RACK: "r1"}})
    )
    with probes() as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  free values in {run.seconds:.1f} s")
    assert restarted(before, invocations(cluster)) == set()
    assert cluster.kubectl.get("node", "worker-1")["metadata"]["labels"][RACK] == "r1"
    assert cluster.kubectl.get("namespace", "another") and "second" in cluster.stack.output("developerKubeconfigs")
    server = certificate(cluster, "kube-apiserver/server")
    assert SAN in server and "NIST CURVE: P-384" in server and "Berlin" in server
    # A generation that exists keeps its key.
    assert certificate(cluster, "kubernetes-ca") == authority and "NIST CURVE: P-256" in authority
    # Every server shows its new certificate, and none has restarted.
    for machine in cluster.machines.values():
        for server, address in servers(cluster, machine).items():
            stored = f"openssl x509 -noout -text -in {SSL}/{server}/server.pem"
            becomes(
                lambda name=machine.name, address=address: shown(cluster, name, address),  # type: ignore[misc]
                machine.run(stored).ok(),
                20,
                f"{server} of {machine.name} shows the certificate of its file",
            )
    assert SAN in shown(cluster, "cp-1", f"127.0.0.1:{cluster.api_port}")


@pytest.mark.long
@pytest.mark.proves_changes(
    *(
        "cluster.protect",
        "network.nodePortRange",
        "network.proxyMode",
        "network.flannel",
        "dns",
        "pki.signingLifetime",
        "etcd",
    ),
    *("nodes[].roles", "nodes[].taints", "artifacts.registryMirrors", "access.oidc"),
    *("access.proxy", "access.tokenWebhook", "access.tokens", "access.authorizationWebhook", "admission"),
    *("access.namespaces[].nodeSelector", "access.namespaces[].tolerations"),
)
def test_rolled_values_restart_their_readers(cluster: Cluster, web: Web, say: Say) -> None:
    """All rolled values of local machines at once. The API fails no request; the service answers when all is done.

    Nodes with different settings of flannel do not reach each other's pods, so no probe asks the service meanwhile.
    """
    before = invocations(cluster)
    cluster.change(
        merged(
            cluster,
            cluster={"protect": True},
            network={"nodePortRange": "8500-9998", "proxyMode": "iptables", "flannel": {"port": 4789}},
            dns={"replicas": 3},
            pki={"signingLifetime": "100h"},
            etcd={"snapshotCount": 20000},
            access={"oidc": [ISSUER], **ways_in(cluster)},
            admission={"enable": ["ExtendedResourceToleration"]},
            artifacts={"registryMirrors": {"registry.example.com": "http://192.0.2.1:5000"}},
        )
        | nodes(cluster, worker_2={"taints": [TAINT]}, cp_3={"roles": ["etcd", "control-plane", "worker"]})
    )
    with watching(cluster, ("cp-1",), [], say) as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  rolled values in {run.seconds:.1f} s")
    assert {"kubernetes-ca-1", "etcd-ca-1", "encryption-key-1"} <= protected(cluster)
    config = cluster.machines["cp-1"].read("/opt/kubernetes/cfg/authentication.yaml")
    assert json.loads(config)["jwt"][0]["issuer"]["url"] == ISSUER["url"]
    masters = {machine.name for machine in cluster.having("control-plane")}
    unit = cluster.machines["cp-1"].read("/etc/systemd/system/kube-apiserver.service")
    flags = ("token-auth-file", "authentication-token-webhook-config-file", "authorization-config")
    assert all(f"--{flag}=" in unit for flag in flags) and "front-proxy-client,hardway:proxy:login" in unit
    assert "EventRateLimit,ExtendedResourceToleration,PodNodeSelector,PodTolerationRestriction" in unit
    login = (
        f"curl -s --noproxy '*' --cacert {SSL}/kubernetes-ca.pem --header @- https://127.0.0.1:{cluster.api_port}/api"
    )
    answered = cluster.machines["cp-1"].run(
        f"{login} -o /dev/null -w '%{{http_code}}'", stdin=f"Authorization: Bearer {TOKEN}"
    )
    assert answered.ok() == "200"
    assert cluster.kubectl.get("namespace", "pinned")["metadata"]["annotations"]
    assert "certificate" in cluster.stack.output("proxyCredentials")["login"]
    expected = {(name, unit) for name in masters for unit in ("etcd", "kube-apiserver", "kube-controller-manager")}
    expected |= {(name, "kube-proxy") for name in cluster.machines} | {("worker-2", "kubelet"), ("cp-3", "kubelet")}
    done = restarted(before, invocations(cluster))
    assert expected <= done
    assert not {key for key in done if key[1] == "kubelet"} - expected, "a kubelet restarted without need"
    seen = cluster.kubectl.get("node", "worker-2")["spec"]["taints"]
    assert [taint for taint in seen if taint["key"] == TAINT["key"]]
    assert not cluster.kubectl.get("node", "cp-3")["spec"].get("taints")
    assert set(cluster.readiness().values()) == {"True"}
    asked = cluster.machines["cp-1"]
    eventually(lambda: asked.run(f"curl -fsS --max-time 2 {web.url}").ok(), 60, "the service answers")
    assert "4789" in asked.run("ip -details link show flannel.1").ok()


@pytest.mark.long
@pytest.mark.proves_changes("cluster.name")
def test_the_way_back(cluster: Cluster, web: Web, say: Say) -> None:
    """The values before, and another name of the cluster: a label in kubeconfigs, so no object of the cluster changes.

    Later tests have the cluster as it was, but for lifetimes, labels and the name.
    """
    before = objects(cluster)
    cluster.change(
        merged(
            cluster,
            cluster={"protect": False, "name": "renamed"},
            network={"nodePortRange": "8500-9999", "proxyMode": "nftables", "flannel": {}},
            dns={"replicas": 2},
            access={"oidc": [], "namespaces": None, **dict.fromkeys(WAYS)},
            admission={"enable": []},
        )
        | nodes(cluster, worker_2={"taints": []}, cp_3={"roles": ["etcd", "control-plane"]})
        | {"hardway:artifacts": None}
    )
    with watching(cluster, ("cp-1",), [], say) as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  taken back in {run.seconds:.1f} s")
    now = objects(cluster)
    assert {name: uid for name, uid in before.items() if now.get(name) != uid} == {}
    assert cluster.kubectl("config", "current-context").ok().strip() == "admin@renamed"
    assert set(cluster.readiness().values()) == {"True"}
    assert not cluster.kubectl.get("node", "worker-2")["spec"].get("taints")
    asked = cluster.machines["cp-1"]
    eventually(lambda: asked.run(f"curl -fsS --max-time 2 {web.url}").ok(), 60, "the service answers")
