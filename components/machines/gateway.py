"""The gateway of a lab: file mirror, image registry and the load balancer before the API servers. Pure text."""

from __future__ import annotations

from components.machines.host_facts import HostFacts
from components.node.payload import Entry
from components.node.render.haproxy import api_servers, haproxy_config
from components.topology import Topology

API_PORT = 6443
REGISTRY_PORT = 5000
REGISTRIES = ("registry.k8s.io", "docker.io", "ghcr.io", "quay.io")
"""Registries whose images the mirror may hold, each below a repository path of that name."""

_HAPROXY = "/etc/haproxy/haproxy.cfg"
UNITS = ("lab-api.service", "lab-files.service", "lab-registry.service")


def gateway_files(topology: Topology, facts: HostFacts) -> tuple[Entry, ...]:
    """Files of the gateway.

    The API servers' certificates are not verified by its checks: clients verify them.
    """
    entries = [
        Entry(_HAPROXY.lstrip("/"), haproxy_config(f"*:{API_PORT}", api_servers(topology), "none")),
        *unit(
            "lab-api.service",
            f"/usr/sbin/haproxy -Ws -f {_HAPROXY}",
            "Type=notify",
            "ExecReload=/bin/kill -USR2 $MAINPID",
        ),
    ]
    return (*entries, *mirror_files(facts))


def mirror_files(facts: HostFacts) -> tuple[Entry, ...]:
    """Files of the mirror: programs over HTTP, images as a registry. None where upstream is used."""
    if not facts.mirror:
        return ()
    return (
        Entry("etc/nginx/mirror.conf", _NGINX),
        Entry("etc/hardway/registry.yml", _REGISTRY),
        *unit("lab-files.service", "/usr/sbin/nginx -c /etc/nginx/mirror.conf"),
        *unit("lab-registry.service", f"/srv/mirror/{facts.registry_binary} serve /etc/hardway/registry.yml"),
    )


def unit(name: str, command: str, *lines: str) -> tuple[Entry, Entry]:
    """A unit and the link that enables it, as text that systemd reads at its first boot."""
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


_NGINX = """\
daemon off;
worker_processes auto;
error_log stderr;
pid /run/nginx.pid;
events { worker_connections 512; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  server {
    listen 80;
    root /srv/mirror;
    location /files/ { }
    location / { return 404; }
  }
}
"""

_REGISTRY = f"""\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: /srv/mirror/registry}}
  maintenance: {{readonly: {{enabled: true}}}}
http: {{addr: ":{REGISTRY_PORT}"}}
"""
