"""containerd and the CNI plugins, with which a machine can run pods."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from components.node.model import ROOT, Directory, NodeFile, NodePart, Unit
from components.node.render.probe import CTR
from components.node.render.proxy import ENVIRONMENT
from components.node.render.systemd import service
from components.node.traits import Traits

CNI_CONFIG_DIR = "/run/hardway/cni"
"""In /run, which is empty after a reboot: the node is not ready for pods until the network plugin is ready again."""


def container_runtime(
    pause_image: str,
    registry_mirrors: Mapping[str, str],
    traits: Traits,
    proxy: NodeFile | None,
    closed_mirrors: Collection[str] = (),
    authorities: NodeFile | None = None,
) -> NodePart:
    """`pause_image` is the pinned sandbox image, `registry_mirrors` maps a registry host to the URL of its mirror.

    `proxy` is the file with the proxy for pulls of images. `closed_mirrors` are the mirrors to which no connection
    leaves the host. `authorities` is the file with certificates that verify mirrors, besides those of the machine.
    """
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
            # If containerd is restarted or upgraded, then its shims and all containers continue to run.
            "KillMode=process",
            "Delegate=yes",
            "TasksMax=infinity",
            f"Environment=PATH={ROOT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            *((ENVIRONMENT,) if proxy else ()),
        ],
    )
    mirrors = tuple(
        NodeFile(
            f"cfg/registries/{registry}/hosts.toml",
            _hosts(registry, mirror, is_closed=mirror in closed_mirrors, authorities=authorities),
        )
        for registry, mirror in sorted(registry_mirrors.items())
    )
    return NodePart(
        files=(
            NodeFile("cfg/containerd.toml", config),
            NodeFile("cfg/crictl.yaml", "runtime-endpoint: unix:///run/containerd/containerd.sock\n"),
            *mirrors,
        ),
        units=(
            Unit(
                "containerd.service",
                unit,
                restart_on=("containerd", "runc", "cfg/containerd.toml", *((proxy.path,) if proxy else ())),
                health=f"{ROOT}/bin/{CTR} version >/dev/null",
            ),
        ),
        artifacts=("containerd", "runc", "cni-plugins", "crictl"),
        directories=(Directory("/var/lib/containerd", mode=0o711), Directory("/etc/cni/net.d")),
        commands=("iptables", "nft", "conntrack"),
    )


def _hosts(registry: str, mirror: str, *, is_closed: bool, authorities: NodeFile | None) -> str:
    """https://github.com/containerd/containerd/blob/main/docs/hosts.md. The mirror has one folder for each registry.

    The content of an image with a digest is verified, whoever sends it. A tag is whatever the answer says: over plain
    http everybody on the way could answer with another image, so such a mirror serves digests only (`pull`), and
    containerd asks the registry itself what a tag means (`resolve`). The key `ca` adds to the authorities of
    the machine.
    """
    is_secure = mirror.lower().startswith("https://")
    says_what_tags_mean = is_closed or is_secure
    more = f'\n  ca = "{ROOT}/{authorities.path}"' if authorities and is_secure else ""
    capabilities = '["pull", "resolve"]' if says_what_tags_mean else '["pull"]'
    server = "https://registry-1.docker.io" if registry == "docker.io" else f"https://{registry}"
    return f"""\
server = "{server}"
[host."{mirror.rstrip("/")}/v2/{registry}"]
  capabilities = {capabilities}
  override_path = true{more}
"""
