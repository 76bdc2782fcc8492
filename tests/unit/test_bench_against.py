"""The comparison with kubeadm: moments and ratios, the files that kubeadm reads, and what the floor starts with."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.__main__ import main
from bench.against import moments_of, page_of
from bench.cpu import Sample
from bench.events import Event
from bench.harvest import objects_of
from bench.kubeadm_config import Layout, Secrets, containerd_config, flannel_manifest, init_config, join_config
from bench.moments import FLOOR, KUBEADM, OURS, Moments, table
from bench.phases import BEGUN, DONE, Measured, groups_of, phases
from bench.watching import is_ready
from components.topology import MachineNetwork, plan
from tests.e2e.support.stack import laptop_page
from tools.common.paths import shared_cache
from tools.common.store import Store
from tools.from_source import gobuild, kubeadm
from tools.from_source.catalogue import KUBEADM as PROGRAM

SECRETS = Secrets("abcdef.0123456789abcdef", "ab" * 32)
AUTHORITY = f"sha256:{'0' * 64}"


@pytest.fixture
def layout() -> Layout:
    page = page_of(laptop_page("bench"))
    hosts = {node.name: 11 + number for number, node in enumerate(page.nodes)}
    topology = plan(page, MachineNetwork("10.100.7.0/24", hosts), ("10.100.7.2", 20000))
    return Layout(topology, "10.100.7.2", page.network.proxy_mode, unified_cgroups=False)


def documents(text: str) -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def moments(ready: float, dns: float, files: float = 10) -> Moments:
    return Moments(5, files, 15, ready, dns, dns + 1, 1.5)


def test_the_tables_have_medians_and_ratios_of_medians() -> None:
    runs = {
        OURS: [moments(30, 40), moments(34, 36), moments(90, 95)],
        KUBEADM: [moments(85, 100, 20), moments(80, 80, 20), moments(400, 400, 20)],
        FLOOR: [moments(17, 20), moments(17, 20), moments(17, 20)],
    }
    text = table(runs)
    assert "| moment, in seconds | `make up` | kubeadm | the floor |" in text
    assert "| all nodes Ready | 34.0 | 85.0 | 17.0 |" in text
    assert "| ratio | `make up` : kubeadm | `make up` : the floor | the floor : kubeadm |" in text
    assert "| no machines to all Ready | 0.40 | 2.00 | 0.20 |" in text
    assert "| no machines to answered DNS | 0.40 | 2.00 | 0.20 |" in text
    # 34 - 10 to 85 - 20 and 17 - 10
    assert "| files and images in to all Ready | 0.37 | 3.43 | 0.11 |" in text
    assert text.endswith(
        "`make up` 36.0 to 95.0 s (3 run(s)), kubeadm 80.0 to 400.0 s (3 run(s)), the floor 20.0 to 20.0 s (3 run(s))."
    )


def test_a_way_that_never_came_up_leaves_the_others_their_numbers() -> None:
    text = table({OURS: [moments(30, 40)], KUBEADM: [moments(60, 80)], FLOOR: []})
    assert "| all nodes Ready | 30.0 | 60.0 | - |" in text
    assert "| no machines to all Ready | 0.50 | - | - |" in text
    assert text.endswith("the floor none.")


def test_moments_of_a_run_of_make_up() -> None:
    def resource(name: str, begun: float, done: float, kind: str = "command:remote:Command") -> list[Event]:
        return [Event(begun, BEGUN, kind, name), Event(done, DONE, kind, name)]

    events = [
        Event(101, "preludeEvent"),
        *resource("lab-network", 102, 103, "command:local:Command"),
        *resource("cp-1-machine", 103, 107, "command:local:Command"),
        *resource("cp-1-stage", 107, 114),
        *resource("worker-1-stage", 107, 116),
        *resource("node-cp-1", 117, 130, "kubernetes:core/v1:Node"),
        *resource("node-worker-1", 117, 132, "kubernetes:core/v1:Node"),
    ]
    run = Measured(100, events, {}, 135, 136, [Sample(100, 0), Sample(136, 36)])
    page = {"hardway:nodes": [{"name": "cp-1", "roles": ["control-plane"]}, {"name": "worker-1", "roles": ["worker"]}]}
    assert groups_of(page) == {"etcd and control plane": ["cp-1"], "workers": ["worker-1"]}
    assert moments_of(run, phases(run, groups_of(page)), 119) == Moments(7, 16, 19, 32, 36, 35, 1)


def test_a_comparison_is_of_new_clusters(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--what", "upgrade", "--against", "kubeadm"])
    assert "--against: not with --what upgrade; allowed: up" in capsys.readouterr().err


def test_kubeadm_gets_the_networks_of_the_page_and_the_settings_of_a_container(layout: Layout) -> None:
    found = documents(init_config(layout, layout.topology.nodes[0], SECRETS))
    cluster = found["ClusterConfiguration"]
    assert cluster["controlPlaneEndpoint"] == "10.100.7.2:6443"
    assert cluster["networking"] == {
        "podSubnet": "10.244.0.0/16",
        "serviceSubnet": "10.96.0.0/16",
        "dnsDomain": "cluster.local",
    }
    assert found["KubeProxyConfiguration"]["mode"] == "nftables"
    kubelet = found["KubeletConfiguration"]
    assert (kubelet["cgroupDriver"], kubelet["failCgroupV1"]) == ("cgroupfs", False)
    assert "SystemdCgroup = false" in containerd_config(unified_cgroups=False)
    unified = init_config(replace(layout, unified_cgroups=True), layout.topology.nodes[0], SECRETS)
    kubelet = documents(unified)["KubeletConfiguration"]
    assert kubelet["cgroupDriver"] == "systemd" and "failCgroupV1" not in kubelet
    assert "SystemdCgroup = true" in containerd_config(unified_cgroups=True)


def test_only_control_plane_machines_join_the_control_plane(layout: Layout) -> None:
    for node in layout.topology.nodes[1:]:
        join = documents(join_config(layout, node, SECRETS, AUTHORITY))["JoinConfiguration"]
        assert join["nodeRegistration"]["kubeletExtraArgs"] == [{"name": "node-ip", "value": node.address}]
        assert ("controlPlane" in join) == node.is_control_plane


def test_kubeadm_itself_accepts_the_files_and_asks_for_the_images_that_are_made(layout: Layout, tmp_path: Path) -> None:
    # The name of a program in the store has the version of Go.
    program = gobuild.find(PROGRAM, Store(shared_cache() / "store")) if shutil.which("go") else None
    if program is None:
        pytest.skip('kubeadm is built by `make bench ARGS="--against kubeadm"`')

    def ask(*arguments: str) -> str:
        done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first, *others = layout.topology.nodes
    init = tmp_path / "init.yaml"
    init.write_text(init_config(layout, first, SECRETS))
    ask("config", "validate", f"--config={init}")
    for node in others:
        join = tmp_path / f"{node.name}.yaml"
        join.write_text(join_config(layout, node, SECRETS, AUTHORITY))
        ask("config", "validate", f"--config={join}")
    wanted = set(ask("config", "images", "list", f"--config={init}").split())
    made = set(kubeadm.names())
    assert made - wanted == {"ghcr.io/flannel-io/flannel:v0.28.9"} and wanted < made
    assert set(kubeadm.on_workers()) < made


FLANNEL = """\
kind: ConfigMap
data:
  net-conf.json: '{"Network": "10.244.0.0/16", "EnableNFTables": false, "Backend": {"Type": "vxlan"}}'
---
kind: DaemonSet
spec:
  template:
    spec:
      initContainers: [{name: install-cni-plugin, image: other}, {name: install-cni, image: flannel}]
      containers: [{name: kube-flannel, image: flannel, args: [--ip-masq]}]
"""


def test_the_manifest_of_flannel_gets_the_network_of_the_cluster() -> None:
    found = documents(flannel_manifest(FLANNEL, "10.1.0.0/16", "nftables"))
    network = json.loads(found["ConfigMap"]["data"]["net-conf.json"])
    assert network == {"Network": "10.1.0.0/16", "EnableNFTables": True, "Backend": {"Type": "vxlan"}}
    pod = found["DaemonSet"]["spec"]["template"]["spec"]
    assert [container["name"] for container in pod["initContainers"]] == ["install-cni"]
    assert pod["containers"][0]["args"] == ["--ip-masq", "--iface=eth0"]


def test_another_manifest_of_flannel_is_refused() -> None:
    with pytest.raises(ValueError, match="other containers than this text knows"):
        flannel_manifest(FLANNEL.replace("install-cni-plugin", "something"), "10.1.0.0/16", "nftables")
    with pytest.raises(ValueError, match="no 'DaemonSet'"):
        flannel_manifest(FLANNEL.split("---")[0], "10.1.0.0/16", "nftables")


def test_the_floor_applies_what_the_program_has_given_to_the_api() -> None:
    def resource(kind: str, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"type": kind, "inputs": inputs, "outputs": {"status": "not this"}}

    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '{"token-id": "ab"}'}
    export = {
        "deployment": {
            "resources": [
                resource("pulumi:providers:kubernetes", {"kubeconfig": "secret"}),
                resource("kubernetes:core/v1:Namespace", {"kind": "Namespace", "__defaults": [], "metadata": {"a": 1}}),
                resource("command:remote:Command", {"create": "true"}),
                resource("kubernetes:core/v1:Secret", {"kind": "Secret", "stringData": secret, "list": [{"b": 2}]}),
            ]
        }
    }
    assert objects_of(export) == [
        {"kind": "Namespace", "metadata": {"a": 1}},
        {"kind": "Secret", "stringData": {"token-id": "ab"}, "list": [{"b": 2}]},
    ]


def test_a_node_without_conditions_is_not_ready() -> None:
    assert not is_ready({"metadata": {"name": "cp-1"}})
    assert not is_ready({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    assert is_ready({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
