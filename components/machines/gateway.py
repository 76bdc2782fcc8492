"""The gateway of a local stack: file mirror, image registry, and load balancer before the API servers. Pure text."""

from __future__ import annotations

from components.machines.mirror_server import FILES_PORT, REGISTRY_PORT, files_server, nginx_config, registry_server
from components.node.payload import Entry
from components.node.render.haproxy import api_servers, haproxy_config
from components.topology import Topology

API_PORT = 6443
REGISTRIES = ("registry.k8s.io", "docker.io", "ghcr.io", "quay.io")
"""Registries whose images the mirror may hold, each below a repository path with the registry's name."""

_MIRROR = "/srv/mirror"
_HAPROXY = "/etc/haproxy/haproxy.cfg"
UNITS = ("lab-api.service", "lab-files.service", "lab-registry.service")


def gateway_files(topology: Topology) -> tuple[Entry, ...]:
    """Files of the gateway: those of its load balancer and of its mirror."""
    return (*balancer_files(topology), *mirror_files())


def balancer_files(topology: Topology) -> tuple[Entry, ...]:
    """Files of the load balancer before the API servers.

    Its health checks do not verify the API servers' certificates: clients verify them.
    """
    return (
        Entry(_HAPROXY.lstrip("/"), haproxy_config(f"*:{API_PORT}", api_servers(topology), "none")),
        *unit(
            "lab-api.service",
            f"/usr/sbin/haproxy -Ws -f {_HAPROXY}",
            "Type=notify",
            "ExecReload=/bin/kill -USR2 $MAINPID",
        ),
    )


def mirror_files() -> tuple[Entry, ...]:
    """Files of the mirror: programs over HTTP, images as a registry."""
    reload = "ExecReload=/bin/kill -HUP $MAINPID"
    entries: list[Entry] = []
    for name, server in (
        ("files", files_server(_MIRROR, FILES_PORT)),
        ("registry", registry_server(_MIRROR, REGISTRY_PORT)),
    ):
        config = f"etc/nginx/{name}.conf"
        # As root, because the folder is that of a user of the host, who may let nobody else read new files.
        entries.append(Entry(config, nginx_config(f"/run/nginx-{name}.pid", server, user="root")))
        entries += unit(f"lab-{name}.service", f"/usr/sbin/nginx -c /{config}", reload)
    return tuple(entries)


def unit(name: str, command: str, *lines: str) -> tuple[Entry, Entry]:
    """A unit, and a drop-in that enables the unit at the first boot."""
    text = "\n".join(
        [
            "[Unit]",
            f"Description=Lab gateway: {name}",
            "[Service]",
            f"ExecStart={command}",
            *lines,
            "Restart=always",
            "RestartSec=1",
            "",
        ]
    )
    wanted = f"[Unit]\nWants={name}\n"
    return Entry(f"etc/systemd/system/{name}", text), Entry(
        f"etc/systemd/system/multi-user.target.d/{name}.conf", wanted
    )
