"""Releases: the effect of changes on the name of a node's release and on its services."""

from dataclasses import replace

import pytest
from clusters import Cluster, cluster

from components.node.model import Directory, NodeFile, NodePart, Ref, Unit
from components.node.release import SHORT, Release, describe, refs


def restarts(old: Release, new: Release) -> set[str]:
    """Services with another restart digest, or that are new."""
    return {unit for unit in new.units if new.units[unit][0] != old.units.get(unit, ("", ""))[0]}


def reloads(old: Release, new: Release) -> set[str]:
    """Services for which a reload is enough."""
    changed = {unit for unit in new.units if new.units[unit][1] != old.units.get(unit, ("", ""))[1]}
    return changed - restarts(old, new)


def releases(made: Cluster) -> dict[str, Release]:
    """The release of every node."""
    return {node.name: made.release(node.name) for node in made.topology.nodes}


CONTROL_PLANE = ("cp-1", "cp-2", "cp-3")
EVERYWHERE = (*CONTROL_PLANE, "worker-1", "worker-2")

# A change of the page; the nodes whose release changes; the services that restart there; the services that reload.
CHANGES = {
    "a flag of the scheduler": ({"extraArgs.kube-scheduler": {"v": 4}}, CONTROL_PLANE, {"kube-scheduler"}, set()),
    "a flag of the API server": ({"extraArgs.kube-apiserver": {"v": 4}}, CONTROL_PLANE, {"kube-apiserver"}, set()),
    "a flag of etcd": ({"etcd.heartbeatInterval": 150}, CONTROL_PLANE, {"etcd"}, set()),
    "a directory of etcd": ({"etcd.walDir": "/var/lib/wal"}, CONTROL_PLANE, {"etcd"}, set()),
    "a flag of the kubelet": ({"extraArgs.kubelet": {"v": 4}}, EVERYWHERE, {"kubelet"}, set()),
    "a field of the kubelet": ({"extraConfig.kubelet": {"maxPods": 50}}, EVERYWHERE, {"kubelet"}, set()),
    "the mode of kube-proxy": ({"network.proxyMode": "iptables"}, EVERYWHERE, {"kube-proxy"}, set()),
    "a label, which goes through the API": ({"nodes[3].labels": {"a": "b"}}, (), set(), set()),
    "a taint of one node": (
        {"nodes[3].taints": [{"key": "a", "effect": "NoSchedule"}]},
        ("worker-1",),
        {"kubelet"},
        set(),
    ),
    "a new worker": (
        {"nodes[4]": {"name": "worker-9", "roles": ["worker"]}},
        ("worker-9",),
        {"kubernetes-kernel", "kubernetes-api-proxy", "containerd", "cni-config", "cni-config.path"}
        | {"kubelet", "kube-proxy", "kubernetes-pod-interfaces", "nftables-guard"},
        set(),
    ),
    "a further name of the API": ({"api.extraSans": ["api.example.com"]}, (), set(), set()),
    "another lifetime": ({"pki.profiles.server": {"lifetime": "90d", "renewBefore": "30d"}}, (), set(), set()),
    "the version of etcd": ({"versions.etcd": "3.6.9"}, CONTROL_PLANE, {"etcd"}, set()),
    "the version of containerd": ({"versions.containerd": "2.3.7"}, EVERYWHERE, {"containerd"}, set()),
    "the version of runc": ({"versions.runc": "1.4.0"}, EVERYWHERE, {"containerd"}, set()),
    "the version of crictl": ({"versions.crictl": "1.35.0"}, EVERYWHERE, set(), set()),
    "the version of the CNI plugins": ({"versions.cniPlugins": "1.8.0"}, EVERYWHERE, set(), set()),
    "the version of CoreDNS": ({"versions.coredns": "1.14.0"}, (), set(), set()),
    "the pause image": ({"versions.pause": "3.9"}, EVERYWHERE, {"containerd"}, set()),
    "a registry mirror": ({"artifacts.registryMirrors": {"quay.io": "http://m:5000"}}, EVERYWHERE, set(), set()),
}


@pytest.mark.parametrize(("change", "nodes", "restarted", "reloaded"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_page(
    change: dict[str, object], nodes: tuple[str, ...], restarted: set[str], reloaded: set[str]
) -> None:
    before, after = releases(cluster("stacked")), releases(cluster("stacked", change))
    changed = {name for name in after if name not in before or after[name].digest != before[name].digest}
    assert changed == set(nodes)
    nothing = Release("", {}, {})
    for name in after:
        old, new = before.get(name, nothing), after[name]
        names = [{unit.removesuffix(".service") for unit in units} for units in (restarts(old, new), reloads(old, new))]
        assert names == ([restarted, reloaded] if name in nodes else [set(), set()]), name


def test_a_kubernetes_upgrade_restarts_what_is_kubernetes() -> None:
    before, after = releases(cluster("stacked")), releases(cluster("stacked", {"versions.kubernetes": "1.36.4"}))
    for name in after:
        control = {f"kube-{part}.service" for part in ("apiserver", "controller-manager", "scheduler")}
        everywhere = {"kubelet.service", "kube-proxy.service"}
        assert restarts(before[name], after[name]) == everywhere | (control if name in CONTROL_PLANE else set())
        assert reloads(before[name], after[name]) == set()


def test_another_api_server_is_a_reload_of_every_proxy() -> None:
    """If a control-plane node without an etcd member is added, only the list of API servers changes on other nodes."""
    more = {"name": "cp-4", "roles": ["control-plane"]}
    before, after = releases(cluster("stacked")), releases(cluster("stacked", {"nodes[4]": more}))
    for name in set(before) & set(after):
        assert restarts(before[name], after[name]) == set(), name
        assert reloads(before[name], after[name]) == {"kubernetes-api-proxy.service"}, name


def test_another_etcd_member_restarts_neither_api_servers_nor_members() -> None:
    """Files that a member reads only at its first start must not restart it later. Proxies reload."""
    fewer = {"nodes[1].roles": ["control-plane"], "nodes[2].roles": ["control-plane"]}
    before, after = releases(cluster("stacked", fewer)), releases(cluster("stacked"))
    assert restarts(before["cp-1"], after["cp-1"]) == set()
    assert reloads(before["cp-1"], after["cp-1"]) == {"etcd-proxy.service"}
    assert before["cp-1"].digest != after["cp-1"].digest


# Changed material; the services of cp-1 that restart for it; the services that reload.
RENEWALS = {
    ("cp-1-apiserver:cert", "cp-1-apiserver:key"): (set(), set()),
    ("cp-1-apiserver-etcd-client:cert", "cp-1-apiserver-etcd-client:key"): (set(), {"etcd-proxy"}),
    ("cp-1-maintenance:cert", "cp-1-maintenance:key"): (set(), set()),
    # Only a member without data reads it.
    ("cp-1-etcd:founder",): (set(), set()),
    ("cp-1-apiserver-kubelet-client:cert", "cp-1-apiserver-kubelet-client:key"): (set(), set()),
    ("cp-1-front-proxy-client:cert", "cp-1-front-proxy-client:key"): (set(), set()),
    ("cp-1-etcd-server:cert", "cp-1-etcd-server:key"): (set(), set()),
    ("cp-1-etcd-peer:cert", "cp-1-etcd-peer:key"): (set(), set()),
    ("cp-1-kubelet-server:cert", "cp-1-kubelet-server:key"): (set(), set()),
    ("cp-1-kube-controller-manager:cert", "cp-1-kube-controller-manager:key"): (set(), set()),
    ("cp-1-kube-controller-manager-server:cert", "cp-1-kube-controller-manager-server:key"): (set(), set()),
    ("cp-1-kube-scheduler:cert", "cp-1-kube-scheduler:key"): (set(), set()),
    ("cp-1-kube-scheduler-server:cert", "cp-1-kube-scheduler-server:key"): (set(), set()),
    ("cp-1-kube-proxy:cert", "cp-1-kube-proxy:key"): (set(), set()),
    ("cp-1-bootstrap-token",): (set(), set()),
    ("cp-1-bootstrap-token:end",): (set(), set()),
    ("cp-1-identity:cert", "cp-1-identity:key"): (set(), set()),
    ("kubernetes-ca:signing-cert",): (set(), set()),
    ("service-account:kids",): (set(), set()),
    ("cluster-id",): (set(), set()),
    ("front-proxy-ca:cert",): (set(), set()),
    ("etcd-ca:cert",): ({"etcd", "kube-apiserver"}, {"etcd-proxy"}),
    ("kubernetes-ca:cert",): (
        {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"},
        {"kubernetes-api-proxy"},
    ),
    ("kubernetes-ca:key",): ({"kube-controller-manager"}, set()),
    ("service-account:key", "service-account:pub"): ({"kube-apiserver", "kube-controller-manager"}, set()),
    ("encryption-config",): ({"kube-apiserver"}, set()),
}


@pytest.mark.parametrize(("renewed", "acted_on"), RENEWALS.items(), ids=["+".join(names) for names in RENEWALS])
def test_new_material(renewed: tuple[str, ...], acted_on: tuple[set[str], set[str]]) -> None:
    made = cluster("stacked")
    before, after = made.release("cp-1"), made.release("cp-1", renewed)
    assert before.digest != after.digest
    names = [{unit.removesuffix(".service") for unit in units(before, after)} for units in (restarts, reloads)]
    assert tuple(names) == acted_on


def test_every_material_of_a_node_is_renewed_above() -> None:
    made = cluster("stacked")
    assert set(refs(made.part("cp-1"))) == {name for names in RENEWALS for name in names}


def test_material_of_another_node_changes_nothing() -> None:
    made = cluster("stacked")
    for name in refs(made.part("cp-2")):
        if name.startswith("cp-2-"):
            assert made.release("cp-1", [name]) == made.release("cp-1")


# --- names and manifests -----------------------------------------------------------------------------------------

PART = NodePart(
    files=(NodeFile("cfg/a.conf", "a"), NodeFile("ssl/a.key", Ref("a:key"), 0o600, "one")),
    units=(Unit("a.service", "[Unit]\n", restart_on=("cfg/a.conf",), reload_on=("ssl/a.key",)),),
    directories=(Directory("/d", "one", 0o700),),
    users=("one",),
    commands=("haproxy",),
)
KEY = {"a:key": "certificate of a"}
DIFFERENT = {
    "a file": replace(PART, files=(NodeFile("cfg/a.conf", "b"), PART.files[1])),
    "the place of a file": replace(PART, files=(*PART.files, NodeFile("cfg/b.conf", "a"))),
    "the mode of a file": replace(PART, files=(replace(PART.files[0], mode=0o600), PART.files[1])),
    "the reader of a file": replace(PART, files=(PART.files[0], replace(PART.files[1], reader="two"))),
    "a unit": replace(PART, units=(replace(PART.units[0], text="[Unit]\n#\n"),)),
    "a directory": replace(PART, directories=(Directory("/d", "one", 0o750),)),
    "a user": replace(PART, users=("one", "two")),
    "a program": replace(PART, commands=()),
}


@pytest.mark.parametrize("part", DIFFERENT.values(), ids=DIFFERENT)
def test_everything_on_a_node_is_in_the_name_of_its_release(part: NodePart) -> None:
    assert describe(part, {}, KEY).digest != describe(PART, {}, KEY).digest


@pytest.mark.parametrize("change", [{"health": "true # another"}, {"restart_on": ()}, {"reload_on": ()}], ids=str)
def test_how_a_unit_is_watched_is_in_the_name_of_its_release(change: dict[str, object]) -> None:
    part = replace(PART, units=(replace(PART.units[0], **change),))  # type: ignore[arg-type]
    assert describe(part, {}, KEY).digest != describe(PART, {}, KEY).digest


def test_a_manifest_has_a_short_digest_for_each_thing_and_no_content() -> None:
    made = cluster("stacked")
    part, release = made.part("cp-1"), made.release("cp-1")
    things = [file.path for file in part.files] + [f"units/{unit.name}" for unit in part.units] + [*part.artifacts]
    assert sorted(release.manifest) == sorted(things)
    for digest in (release.digest, *release.manifest.values()):
        assert len(digest) == SHORT
        assert int(digest, 16) >= 0
    assert [*release.units] == [unit.name for unit in part.units]


def test_order_does_not_matter_for_a_name() -> None:
    other = replace(PART, files=PART.files[::-1])
    assert describe(other, {}, KEY).digest == describe(PART, {}, KEY).digest
