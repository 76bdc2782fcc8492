"""The proxy of the page on a node: one file, read by the container runtime and by the script that fetches programs."""

from __future__ import annotations

from components.config import Page
from components.node.model import ROOT, NodeFile

PROXY = "cfg/proxy"
ENVIRONMENT = f"EnvironmentFile={ROOT}/{PROXY}"
"""The line of a unit whose service uses the proxy."""
_OWN = ("localhost", "127.0.0.1", "::1")


def proxy_file(page: Page) -> NodeFile | None:
    """Lines `NAME=VALUE` for systemd and for env. None if the page has no proxy, or if this host serves everything.

    Programs read the names in small or in capital letters, or both. The file has both, so that no name of the host's
    environment remains in use.
    """
    if page.artifacts.proxy is None or page.machines.serves_mirror:
        return None
    given, network = page.artifacts.proxy, page.network
    direct = (*_OWN, network.pod_cidr, network.service_cidr, f".{page.cluster.domain}", *given.no_proxy)
    values = {
        "all_proxy": "",
        "http_proxy": given.http or "",
        "https_proxy": given.https or "",
        "no_proxy": ",".join(dict.fromkeys(direct)),
    }
    lines = [f"{name}={value}" for key, value in values.items() for name in (key, key.upper())]
    return NodeFile(PROXY, "\n".join([*lines, ""]))
