"""containerd and the CNI plugins: what turns a machine into one that can run pods."""

from __future__ import annotations

import json
from collections.abc import Mapping

from components.node.model import ROOT, Directory, NodeFile, Part, Unit
from components.node.render.systemd import service
from components.node.traits import Traits

CNI_CONFIG_DIR = "/run/hardway/cni"
"""In /run: after a reboot a node is not ready for pods before flannel has said again what its subnet is."""

FLANNEL_SUBNET = "/run/flannel/subnet.env"


def container_runtime(pause_image: str, registry_mirrors: Mapping[str, str], traits: Traits) -> Part:
    """`pause_image` is the pinned sandbox image, `registry_mirrors` maps a registry host to the URL asked first."""
    config = f"""\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = {json.dumps(pause_image)}
[plugins."io.containerd.cri.v1.images".registry]
config_path = "{ROOT}/cfg/registries"

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = {json.dumps(traits.container)}
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{ROOT}/bin/cni"]
conf_dir = "{CNI_CONFIG_DIR}"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
# The machine itself fills this in: true where its cgroups are of version 2.
SystemdCgroup = @SYSTEMD_CGROUP@
"""
    unit = service(
        description="containerd container runtime",
        documentation="https://containerd.io/docs/",
        command=[f"{ROOT}/bin/containerd --config {ROOT}/cfg/containerd.toml"],
        lines=[
            "Type=notify",
            # Shims outlive containerd, and with them every container, when it is restarted or upgraded.
            "KillMode=process",
            "Delegate=yes",
            "TasksMax=infinity",
            f"Environment=PATH={ROOT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ],
    )
    mirrors = tuple(
        NodeFile(f"cfg/registries/{registry}/hosts.toml", _hosts(registry, mirror))
        for registry, mirror in sorted(registry_mirrors.items())
    )
    return Part(
        files=(
            NodeFile("cfg/containerd.toml", config),
            NodeFile("cfg/crictl.yaml", "runtime-endpoint: unix:///run/containerd/containerd.sock\n"),
            NodeFile("cfg/cni/10-flannel.conflist", cni_config()),
            *mirrors,
        ),
        units=(
            Unit(
                "containerd.service",
                unit,
                restart_on=("containerd", "runc", "cfg/containerd.toml"),
                health=f"{ROOT}/bin/ctr --connect-timeout 2s version >/dev/null",
            ),
            Unit("cni-config.service", _install_cni_config(), restart_on=("cfg/cni/10-flannel.conflist",)),
            Unit("cni-config.path", _when_flannel_is_up()),
        ),
        artifacts=("containerd", "runc", "cni-plugins", "cni-flannel", "crictl"),
        directories=(Directory("/var/lib/containerd", mode=0o711), Directory("/etc/cni/net.d")),
        commands=("iptables", "nft", "conntrack"),
    )


def cni_config() -> str:
    """The chain of CNI plugins: flannel delegates to bridge and host-local, portmap serves hostPorts."""
    plugins = [
        # The version that the flannel plugin's delegate understands.
        {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"name": "cbr0", "cniVersion": "0.3.1", "plugins": plugins}, indent=2) + "\n"


def _hosts(registry: str, mirror: str) -> str:
    """https://github.com/containerd/containerd/blob/main/docs/hosts.md; the mirror keeps a folder per registry."""
    server = "https://registry-1.docker.io" if registry == "docker.io" else f"https://{registry}"
    return f"""\
server = "{server}"
[host."{mirror.rstrip("/")}/v2/{registry}"]
  capabilities = ["pull", "resolve"]
  override_path = true
"""


def _when_flannel_is_up() -> str:
    return f"""\
[Unit]
Description=Wait until flannel knows the subnet of this node

[Path]
PathExists={FLANNEL_SUBNET}
Unit=cni-config.service

[Install]
WantedBy=multi-user.target
"""


def _install_cni_config() -> str:
    # A node that reports its network as ready before flannel is up makes the kubelet fail the first pods and
    # wait ten seconds or more before it tries them again.
    return f"""\
[Unit]
Description=Tell containerd of the pod network
ConditionPathExists={FLANNEL_SUBNET}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/install -D -m 0644 {ROOT}/cfg/cni/10-flannel.conflist {CNI_CONFIG_DIR}/10-flannel.conflist
"""
