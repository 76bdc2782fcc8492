"""A slow API, with the real engine, the real provider and a real API server behind a slow connection."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import ApiServer, api_server

from tools.common.paths import this_clone
from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
DELAY = 4
"""Seconds until a connection passes something on."""
PROGRAM = """
from datetime import timedelta
from types import SimpleNamespace
import pulumi
import pulumi_kubernetes as k8s
from components.cluster_api import cluster_provider

kubeconfig = pulumi.Output.secret(open("kubeconfig.json").read())
control_plane = SimpleNamespace(kubeconfig=lambda user: kubeconfig, ready=[])
granted = pulumi.Stash("granted", input="yes")
timeout = timedelta(seconds=int(open("timeout").read()))
provider = cluster_provider("scratch", control_plane, granted, timeout)
k8s.core.v1.ConfigMap("a", metadata={"name": "a"}, data={"b": "c"}, opts=pulumi.ResourceOptions(provider=provider))
pulumi.Stash("fixed-values", input={})
pulumi.export("kubeconfig", "x")
pulumi.export("kubeconfigSha256", "y")
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    if not (this_clone().pulumi_home / "plugins").is_dir():
        pytest.skip("no plugins in this clone yet: run `make tools`")
    with api_server(tmp_path_factory.mktemp("api")) as server:
        yield server


@contextlib.contextmanager
def slowly(port: int) -> Iterator[int]:
    """A port of 127.0.0.1 that leads to another one, and passes the first bytes of a connection on after DELAY."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, port), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_pass_on, args=(client, port), daemon=True).start()


def _pass_on(client: socket.socket, port: int) -> None:
    time.sleep(DELAY)
    with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", port)) as there:
        threading.Thread(target=_copy, args=(there, client), daemon=True).start()
        _copy(client, there)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)


def test_the_page_decides_how_long_the_program_waits(
    stack: Stack, api: ApiServer, capfd: pytest.CaptureFixture[str]
) -> None:
    root: Path = stack.clone.root
    plugins = stack.clone.pulumi_home / "plugins"
    plugins.parent.mkdir()
    plugins.symlink_to(this_clone().pulumi_home / "plugins")
    (root / "__main__.py").write_text(PROGRAM)
    with slowly(int(api.url.rpartition(":")[2])) as port:
        (root / "kubeconfig.json").write_text(
            api.kubeconfig("deployer", "system:masters", server=f"https://127.0.0.1:{port}")
        )
        (root / "timeout").write_text("1")
        assert stack.up() != 0
        assert "hardway:rollout.apiTimeout gives them more time" in capfd.readouterr().err
        (root / "timeout").write_text("60")
        assert stack.up() == 0
    assert api.ask("GET", "/api/v1/namespaces/default/configmaps/a")["data"] == {"b": "c"}
