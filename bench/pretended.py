"""A cluster without machines, with which a whole `make up` succeeds: for measurements of the program and the engine.

etcd, an API server and controllers run on this host, and know the authority of the page. Hosts are SSH servers of this
process (`bench/ssh_hosts.py`). In the place of kubelets, a thread says that nodes are Ready and that pods run.
"""

import contextlib
import sys
import urllib.error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.background import Background
from bench.preview import page
from bench.ssh_hosts import Hosts
from bench.watching import is_ready
from components.config.errors import NAMESPACE
from tests.e2e.support.secret import encrypted
from tests.e2e.support.stack import Stack
from tools.common.paths import this_clone

sys.path.append(str(this_clone().root / "tests"))  # modules of tests name each other without the package

from api_server import MERGE, ApiServer, controllers, program
from authorities import Made, make

_EVERY_SECONDS = 1.0
_CONTROLLERS = ("deployment-controller", "replicaset-controller", "garbage-collector-controller")
Values = dict[str, Any]


@dataclass(frozen=True)
class Pretended:
    """The page of the cluster without its authority, which is `authority`."""

    page: Mapping[str, Any]
    authority: Made

    def page_for(self, stack: Stack) -> Values:
        """The whole page. The key of the authority is a secret of the stack, which has to exist."""
        entry = self.authority.on_page() | {"privateKey": encrypted(stack, self.authority.private)}
        return {**self.page, f"{NAMESPACE}:authorities": {"kubernetes": [entry]}}


@contextlib.contextmanager
def pretended(folder: Path, hosts: Hosts) -> Iterator[Pretended]:
    """The cluster on these hosts, until the body ends. `folder` is for files of the servers."""
    authority = make("CN=bench")
    # Whoever has a certificate may do everything: no kubelet grants the program its rights.
    flags = (
        "--authorization-mode=RBAC,AlwaysAllow",
        "--max-requests-inflight=2000",
        "--max-mutating-requests-inflight=1000",
    )
    api = ApiServer(folder, program("etcd"), program("kube-apiserver"), authority, authority, flags=flags)
    key_file = folder / "login"
    key_file.touch(mode=0o600)
    key_file.write_text(hosts.login_key)
    try:
        api.start()
        with controllers(api, *_CONTROLLERS), _Statuses(api):
            yield Pretended(_page(hosts, key_file, api), authority)
    finally:
        api.stop()


def ready_node(node: Mapping[str, Any]) -> Values | None:
    """The patch of the status of a node that is not Ready yet."""
    if is_ready(node):
        return None
    return {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}}


def running_pod(pod: Mapping[str, Any]) -> Values | None:
    """The patch of the status of a pod that does not run yet."""
    if pod.get("status", {}).get("phase") == "Running":
        return None
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    return {"status": {"phase": "Running", "conditions": [ready]}}


def available_daemons(daemons: Mapping[str, Any]) -> Values | None:
    """The patch of the status of a DaemonSet that no controller has seen yet."""
    generation = daemons["metadata"]["generation"]
    if daemons.get("status", {}).get("observedGeneration") == generation:
        return None
    counted = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    status = dict.fromkeys((*counted, "numberReady"), 1) | {"numberMisscheduled": 0, "observedGeneration": generation}
    return {"status": status}


_KINDS = (
    ("/api/v1/nodes", ready_node),
    ("/api/v1/pods", running_pod),
    ("/apis/apps/v1/daemonsets", available_daemons),
)


class _Statuses(Background):
    def __init__(self, api: ApiServer) -> None:
        super().__init__()
        self._api = api

    def watch(self) -> None:
        while not self.ended.wait(_EVERY_SECONDS):
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                for path, patch_of in _KINDS:
                    for found in self._api.ask("GET", f"{path}?resourceVersion=0")["items"]:
                        if patch := patch_of(found):
                            self._api.ask("PATCH", f"{_path(path, found)}/status", patch, MERGE)


def _path(path: str, found: Mapping[str, Any]) -> str:
    group, _, kind = path.rpartition("/")
    metadata = found["metadata"]
    namespace = f"namespaces/{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"{group}/{namespace}{kind}/{metadata['name']}"


def _page(hosts: Hosts, key_file: Path, api: ApiServer) -> Values:
    given = page(len(hosts.seconds) - 3)
    given["machines"] = {
        "provider": "existing",
        "user": "root",
        "privateKeyFile": str(key_file),
        "endpoint": {"host": "127.0.0.1", "port": api.port},
    }
    for node in given["nodes"]:
        node["ssh"] = {"host": "127.0.0.1", "port": hosts.ports[node["name"]], "hostKey": hosts.host_key}
    return {f"{NAMESPACE}:{key}": value for key, value in given.items()}
