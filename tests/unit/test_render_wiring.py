"""What holds for every node of every topology: what is named is there, and who has to read it can."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from clusters import NAMES, Cluster, cluster

from components.artifacts.choice import choose_artifacts
from components.config.ports import RESERVED
from components.node.model import Directory, NodeFile, NodePart, Ref, Unit, merge
from components.node.plan import plan_node
from components.node.render.etcd_proxy import preferred
from components.pki.leaves import plan_leaves

EVERY_NODE = [(name, node.name) for name in (*NAMES, "existing") for node in cluster(name).topology.nodes]
PLACE = re.compile(r"/opt/kubernetes/((?:cfg|ssl|bin)/[\w./:-]*[\w-])")


def _pairs(component: str, *names: str) -> set[str]:
    """Paths of certificates and their keys."""
    return {f"ssl/{component}/{name}.{end}" for name in names for end in ("pem", "key")}


# What services take up by themselves when the file changes, so that no restart is named. Sources: dynamiccertificates
# of apiserver, which the control plane serves with (own certificates, authorities of clients, proxy client),
# client-go's reload of certificates that a kubeconfig or a flag names, etcd's transport.TLSInfo.
RELOADED = {
    "kube-apiserver.service": {
        *_pairs("kube-apiserver", "server", "etcd-client", "kubelet-client"),
        *(f"ssl/kube-apiserver/front-proxy-{n}" for n in ("client.pem", "client.key", "ca.pem")),
    },
    "kube-controller-manager.service": _pairs("kube-controller-manager", "client", "server"),
    # Asked every second, by a program of its own.
    "kubernetes-vip.service": {"ssl/kubernetes-ca.pem", "cfg/vip-check.sh"},
    "kube-scheduler.service": _pairs("kube-scheduler", "client", "server"),
    "etcd.service": {
        *_pairs("etcd", "server", "peer"),
        # Read by a member that has no data yet.
        *("cfg/etcd-initial.env", "cfg/etcd-founder", "cfg/etcd-member.sh", "cfg/etcd-functions"),
    },
    "kubelet.service": {
        *_pairs("kubelet", "server", "client"),
        # Read before a kubelet without a certificate starts.
        *("ssl/kubelet/bootstrap-token", "ssl/kubelet/bootstrap-token-end", "cfg/api-servers"),
        *("cfg/kubelet-credential.sh", "cfg/kubelet-resolver.sh"),
        # Facts about the machine.
        "cfg/kubelet.d",
    },
    "kube-proxy.service": _pairs("kube-proxy", "client"),
    # Read whenever a table is gone. The names that follow from kube-proxy's configuration are not used.
    "nftables-guard.service": {
        *("bin/crictl", "cfg/crictl.yaml", "cfg/kube-proxy.json", "cfg/kube-proxy.kubeconfig", "ssl/kubernetes-ca.pem"),
        *_pairs("kube-proxy", "client"),
    },
    # Read for each pull and for each pod.
    "containerd.service": {"cfg/registries", "bin/cni"},
}
# Used by the commands of a run: who takes others out of the cluster, and who renews credentials.
BY_COMMANDS = {
    *("cfg/maintenance.kubeconfig", "ssl/maintenance/client.pem", "ssl/maintenance/client.key"),
    *("cfg/cluster-id", "cfg/node"),
    *("cfg/generations", "ssl/kubelet/issuer.pem", "ssl/kubelet/service-account-key-ids"),
}
MADE_ON_THE_NODE = {"cfg/kubelet.d", "bin/cni"}


def programs(made: Cluster, part: NodePart) -> dict[str, str]:
    """Path of each program of a release -> the artifact it comes from."""
    chosen = choose_artifacts(made.page, made.lock, part.artifacts, "amd64")
    return {f"bin/{name}": a.name for a in chosen.values() for source in a.sources for name in source.files}


def named_by(unit: Unit, part: NodePart) -> Iterator[str]:
    """Paths of the release that a unit leads to: its own text, and the files that this names in turn."""
    contents = {file.path: file.content for file in part.files}
    waiting, seen = [unit.text, unit.health], set()
    while waiting:
        for path in PLACE.findall(waiting.pop()):
            if path not in seen:
                seen.add(path)
                content = contents.get(path)
                waiting += [content.replace("$root/", "/opt/kubernetes/")] if isinstance(content, str) else []
                yield path


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_every_path_that_a_unit_leads_to_exists(name: str, node: str) -> None:
    made = cluster(name)
    part = made.part(node)
    there = {file.path for file in part.files} | set(programs(made, part)) | MADE_ON_THE_NODE
    folders = {path.rsplit("/", depth)[0] for path in there for depth in range(1, path.count("/") + 1)}
    for unit in part.units:
        missing = set(named_by(unit, part)) - there - folders
        assert not missing, unit.name


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_every_file_and_program_of_a_unit_restarts_it_reloads_it_or_is_taken_up_by_itself(name: str, node: str) -> None:
    made = cluster(name)
    part = made.part(node)
    artifact = programs(made, part)
    for unit in part.units:
        acted_on = {*unit.restart_on, *unit.reload_on}
        unnoticed = {
            path
            for path in named_by(unit, part)
            if artifact.get(path, path) not in acted_on and path not in RELOADED.get(unit.name, set())
        }
        assert not unnoticed, unit.name


def test_what_is_said_to_be_taken_up_is_named_by_that_unit() -> None:
    parts = [cluster(name).part(node) for name, node in EVERY_NODE]
    for service, paths in RELOADED.items():
        named = {path for part in parts for unit in part.units if unit.name == service for path in named_by(unit, part)}
        assert paths <= named, service


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_every_file_is_used_by_a_unit_or_a_person(name: str, node: str) -> None:
    part = cluster(name).part(node)
    used = {path for unit in part.units for path in named_by(unit, part)}
    for file in part.files:
        by_folder = any(file.path.startswith(f"{path}/") for path in used)
        by_person = file.path == "cfg/crictl.yaml" or file.path in BY_COMMANDS
        # haproxy's own way to find the key of a certificate.
        beside = file.path.endswith(".pem.key") and file.path.removesuffix(".key") in used
        assert file.path in used or by_folder or by_person or beside, file.path


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_triggers_name_what_the_release_has(name: str, node: str) -> None:
    part = cluster(name).part(node)
    known = {file.path for file in part.files} | set(part.artifacts)
    for unit in part.units:
        assert {*unit.restart_on, *unit.reload_on} <= known, unit.name
        assert not set(unit.restart_on) & set(unit.reload_on), unit.name
        assert not unit.reload_on or "\nExecReload=" in unit.text, f"{unit.name} cannot be reloaded"


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_a_service_can_read_its_keys_and_nobody_else_can(name: str, node: str) -> None:
    part = cluster(name).part(node)
    secret = {f.path: f for f in part.files if isinstance(f.content, Ref) and not _is_public(f.content)}
    assert secret
    for file in secret.values():
        assert file.mode == 0o600, file.path
        assert file.reader in {None, *part.users}, file.path
    for unit in part.units:
        user = re.search(r"^User=(.*)$", unit.text, re.M)
        for path in secret.keys() & set(named_by(unit, part)):
            assert secret[path].reader == (user[1] if user else None), f"{unit.name} needs {path}"
    for file in part.files:
        if file.path not in secret and file.mode & 0o444 != 0o444:
            readers = [unit for unit in part.units if file.path in named_by(_without_credentials(unit), part)]
            if any(f"LoadCredential=kubeconfig:/opt/kubernetes/{file.path}\n" in unit.text for unit in part.units):
                assert not readers, f"{file.path} is read by systemd, as root, for a service, and not by a service"
                continue
            assert readers, f"{file.path} is not secret, and who reads it?"
            assert all(not re.search(r"^User=", unit.text, re.M) for unit in readers), (
                f"a service cannot read {file.path}"
            )


def _without_credentials(unit: Unit) -> Unit:
    return replace(unit, text=re.sub(r"^LoadCredential=.*\n", "", unit.text, flags=re.M))


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_a_credential_that_a_service_reads_is_one_that_systemd_gives_it(name: str, node: str) -> None:
    part = cluster(name).part(node)
    read = {
        (unit.name, of, used)
        for unit in part.units
        for of, used in re.findall(r"/run/credentials/([^/]+)/([a-z-]+)", unit.text)
    }
    given = {
        (unit.name, unit.name, name)
        for unit in part.units
        for name in re.findall(r"^LoadCredential=([a-z-]+):", unit.text, re.M)
    }
    assert read == given
    assert bool(read) == ("kube-scheduler.service" in {unit.name for unit in part.units})


def _is_public(ref: Ref) -> bool:
    return ref.name.endswith((":cert", ":signing-cert", ":pub", ":founder", ":end", ":kids", "cluster-id"))


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_users_and_directories_of_units_are_made(name: str, node: str) -> None:
    part = cluster(name).part(node)
    directories = {directory.path: directory for directory in part.directories}
    assert {directory.owner for directory in part.directories} <= {"root", *part.users}
    for unit in part.units:
        user = re.search(r"^User=(.*)$", unit.text, re.M)
        assert user is None or user[1] in part.users, unit.name
        for path in re.findall(r"^ReadWritePaths=(.*)$", unit.text, re.M):
            assert directories[path].owner == (user[1] if user else "root"), unit.name


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_material_is_of_this_node_or_of_the_whole_cluster(name: str, node: str) -> None:
    made = cluster(name)
    leaves = {leaf.name for leaf in plan_leaves(made.page, made.topology)}
    shared = {"kubernetes-ca", "etcd-ca", "front-proxy-ca", "service-account", "encryption-config"}
    shared.add(f"{node}-bootstrap-token")
    for file in made.part(node).files:
        if isinstance(file.content, Ref):
            holder, _, what = file.content.name.partition(":")
            if file.content.name == "cluster-id":
                continue
            if what == "founder":
                assert (holder, file.path) == (f"{node}-etcd", "cfg/etcd-founder")
                continue
            assert holder in shared or (holder in leaves and holder.startswith(f"{node}-")), file.path
            # A certificate in the place of a key would be found out on the machine only.
            assert (what in ("cert", "signing-cert")) == file.path.endswith(".pem"), file.path
            assert (what == "key") == file.path.endswith(".key"), file.path


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_a_key_lies_beside_its_own_certificate(name: str, node: str) -> None:
    refs = {f.path: f.content.name for f in cluster(name).part(node).files if isinstance(f.content, Ref)}
    pairs = [path for path in refs if path.endswith(".key") and path.replace(".key", ".pem") in refs]
    assert pairs
    for path in pairs:
        assert refs[path].removesuffix(":key") == refs[path.replace(".key", ".pem")].removesuffix(":cert"), path


@pytest.mark.parametrize("name", NAMES)
def test_the_key_of_an_authority_lies_on_control_plane_nodes_only(name: str) -> None:
    made = cluster(name)
    for node in made.topology.nodes:
        held = {f.content.name for f in made.part(node.name).files if isinstance(f.content, Ref)}
        authorities = {ref for ref in held if ref.endswith("-ca:key")}
        assert authorities == ({"kubernetes-ca:key"} if node.is_control_plane else set()), node.name
        assert ("encryption-config" in held) == node.is_control_plane
        assert ("service-account:key" in held) == node.is_control_plane


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_health_checks_are_commands_and_ask_ports_of_the_cluster(name: str, node: str) -> None:
    made = cluster(name)
    ports = {port for taken in RESERVED for port in taken} | {made.page.api.port}
    for unit in made.part(node).units:
        subprocess.run(["sh", "-n", "-c", unit.health], check=True, timeout=5)
        for port in re.findall(r"://[\w.]+:(\d+)", unit.health):
            assert int(port) in ports, unit.name
        assert "curl" not in unit.health or "--max-time" in unit.health, f"{unit.name}: a check that may hang"


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_scripts_are_good_shell_and_may_be_run(name: str, node: str) -> None:
    for file in cluster(name).part(node).files:
        if file.path.endswith(".sh"):
            assert isinstance(file.content, str)
            assert file.content.startswith("#!/bin/sh\n"), file.path
            assert file.mode == 0o755, file.path
            subprocess.run(["sh", "-n"], input=file.content, text=True, check=True, timeout=5)


@pytest.mark.parametrize(("name", "node"), EVERY_NODE)
def test_configuration_in_json_is_json(name: str, node: str) -> None:
    for file in cluster(name).part(node).files:
        if file.path.endswith((".json", ".kubeconfig", ".conflist", ".yaml")) and isinstance(file.content, str):
            assert file.path == "cfg/crictl.yaml" or isinstance(json.loads(file.content), dict), file.path


@pytest.mark.parametrize("name", NAMES)
def test_roles_decide_what_runs(name: str) -> None:
    made = cluster(name)
    for node in made.topology.nodes:
        units = {unit.name.removesuffix(".service") for unit in made.part(node.name).units}
        control = {"etcd-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
        pods = {"kubernetes-kernel", "kubernetes-api-proxy", "containerd", "cni-config", "cni-config.path"} | {
            "kubelet",
            "kube-proxy",
            "kubernetes-pod-interfaces",
            *(("nftables-guard",) if made.page.network.proxy_mode == "nftables" else ()),
        }
        wanted = ({"etcd"} if node.is_etcd else set()) | (control if node.is_control_plane else set())
        assert units == wanted | (pods if node.runs_kubelet else set()), node.name


def test_a_container_does_not_touch_the_kernel_of_its_host() -> None:
    inside, outside = cluster("stacked").part("worker-1"), cluster("dedicated_etcd").part("worker-1")
    assert "modprobe" in outside.commands
    assert "modprobe" not in inside.commands
    for part, touches in ((inside, False), (outside, True)):
        contents = [file.content for file in part.files if isinstance(file.content, str)]
        texts = "".join([*(unit.text for unit in part.units), *contents])
        assert ("/sbin/modprobe" in texts) == touches
        assert ("fs.inotify" in texts) == touches
        assert ("oomScoreAdj" in texts) == (not touches)


def test_ipvs_asks_for_ipset() -> None:
    assert "ipset" in cluster("stacked", {"network.proxyMode": "ipvs"}).part("worker-1").commands


# --- merging parts ------------------------------------------------------------------------------------------------


def test_merge_keeps_what_several_parts_ask_for_once() -> None:
    shared = NodeFile("ssl/ca.pem", Ref("ca:cert"))
    one = NodePart(
        (shared, NodeFile("cfg/1", "1")), (Unit("a.service", "a"),), ("x",), (Directory("/d"),), ("u",), ("c",)
    )
    two = NodePart((shared,), (Unit("b.service", "b"),), ("y", "x"), (Directory("/d"),), ("u",), ("c", "d"))
    merged = merge([one, two])
    assert [file.path for file in merged.files] == ["ssl/ca.pem", "cfg/1"]
    assert [unit.name for unit in merged.units] == ["a.service", "b.service"]
    assert (merged.artifacts, merged.users, merged.commands) == (("x", "y"), ("u",), ("c", "d"))
    assert merged.directories == (Directory("/d"),)


@pytest.mark.parametrize(
    ("one", "two", "what"),
    [
        (NodePart((NodeFile("cfg/1", "1"),)), NodePart((NodeFile("cfg/1", "2"),)), "cfg/1"),
        (NodePart((NodeFile("cfg/1", "1"),)), NodePart((NodeFile("cfg/1", "1", mode=0o600),)), "cfg/1"),
        (NodePart(units=(Unit("a.service", "a"),)), NodePart(units=(Unit("a.service", "b"),)), "a.service"),
    ],
)
def test_merge_refuses_parts_that_disagree(one: NodePart, two: NodePart, what: str) -> None:
    with pytest.raises(ValueError, match=f"disagree about {what}"):
        merge([one, two])


def test_a_node_is_planned_the_same_way_every_time() -> None:
    made = cluster("stacked")
    node = made.topology.node("cp-1")
    assert plan_node(made.page, made.topology, node, made.environment) == plan_node(
        made.page, made.topology, node, made.environment
    )


# --- etcd --------------------------------------------------------------------------------------------------------


def test_a_control_plane_node_asks_its_own_member_first_and_others_share() -> None:
    stacked, dedicated = cluster("stacked").topology, cluster("dedicated_etcd").topology
    order = {node.name: [m.name for m in preferred(stacked, node)] for node in stacked.control_plane_nodes}
    assert order == {
        "cp-1": ["cp-1", "cp-2", "cp-3"],
        "cp-2": ["cp-2", "cp-3", "cp-1"],
        "cp-3": ["cp-3", "cp-1", "cp-2"],
    }
    firsts = [preferred(dedicated, node)[0].name for node in dedicated.control_plane_nodes]
    assert firsts == ["etcd-1", "etcd-2"]


def test_a_member_more_restarts_nothing_that_is_there() -> None:
    """Not the members, not the API servers: their proxies reload."""
    more = cluster("stacked", {"nodes[4].roles": ["etcd"], "nodes[3].roles": ["etcd", "worker"]})
    old, new = cluster("stacked").release("cp-1"), more.release("cp-1")
    changed = {unit for unit, digests in new.units.items() if old.units[unit] != digests}
    assert changed == {"etcd-proxy.service"}
    assert old.units["etcd-proxy.service"][0] == new.units["etcd-proxy.service"][0], "a restart, not a reload"
