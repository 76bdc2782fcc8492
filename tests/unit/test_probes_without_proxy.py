"""Health checks and probes of nodes never use a proxy of the host's environment."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import NAMES, cluster
from publisher import Publisher, authority, publishing
from scratch_machine import SYSTEM_PATH

from components.node import scripts
from components.node.model import Unit
from components.node.render.etcd import etcdctl

CLUSTERS = (*NAMES, "existing")
# Programs that fetch something from the internet: the only ones that may use a proxy.
FETCHING = {"download.sh"}
CALL = re.compile(r"""(?<![\w/."-])curl (?=-)(?P<options>(?:[^\n|;&]|\\\n)*)""")
GO = re.compile(r"^(?P<before>[^#\n]*?)\"?\S*bin/(?:etcdctl|kubectl)\"? (?=\$|-)", re.MULTILINE)
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
MACHINES = Path(scripts.__file__).parents[2] / "machines"


def units() -> list[tuple[str, Unit]]:
    """Each health check of all test pages once."""
    found = {}
    for name in CLUSTERS:
        made = cluster(name)
        for node in made.topology.nodes:
            found |= {(unit.name, unit.health): unit for unit in made.part(node.name).units}
    return [(unit.name, unit) for unit in found.values()]


def texts() -> Iterator[tuple[str, str]]:
    """Every text with shell commands that runs on a node, with its name."""
    for folder in (Path(scripts.__file__).parent, MACHINES):
        for path in sorted(folder.glob("*.sh")):
            yield path.name, path.read_text()
    yield "etcdctl", etcdctl("endpoint health --cluster")
    for name in CLUSTERS:
        made = cluster(name)
        for node in made.topology.nodes:
            part = made.part(node.name)
            for unit in part.units:
                yield from ((f"{what} of {unit.name}", getattr(unit, what)) for what in ("health", "leave", "text"))
            yield from ((file.path, file.content) for file in part.files if isinstance(file.content, str))


def test_every_curl_on_a_node_goes_without_a_proxy() -> None:
    found = {(name, match["options"]) for name, text in texts() for match in CALL.finditer(text)}
    assert {name for name, _ in found} >= {*FETCHING, "drain.sh", "etcd_member.sh", "kubelet_credential.sh"}
    assert {name for name, _ in found} >= {"cfg/vip-check.sh", "health of kubelet.service", "health of etcd.service"}
    proxied = {name for name, options in found if "--noproxy '*'" not in options}
    assert proxied == FETCHING


def test_programs_in_go_that_ask_nodes_go_without_a_proxy() -> None:
    """Without NO_PROXY, etcdctl and kubectl use the proxy of the environment for every address that is not loopback."""
    found = {(name, match["before"]) for name, text in texts() for match in GO.finditer(text)}
    assert {name for name, _ in found} >= {"etcd_ask.sh", "still_needed.sh", "drain.sh", "settle.sh", "etcdctl"}
    assert [name for name, before in found if not re.search(r"NO_PROXY='?\*'? $", before)] == []


@pytest.fixture
def dead_proxy() -> str:
    """The URL of a proxy that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    ("name", "unit"), [(n, u) for n, u in units() if "curl" in u.health], ids=lambda v: str(v)[:20]
)
def test_a_health_check_asks_the_machine_itself(name: str, unit: Unit, dead_proxy: str, tmp_path: Path) -> None:
    """The rendered command runs against a real server, in an environment with a proxy that does not answer."""
    bundle, tls = authority(tmp_path)
    with publishing() as plain, publishing(tls) as secure:
        done = health(unit.health, plain, secure, bundle, tmp_path, dict.fromkeys(VARIABLES, dead_proxy))
        asked = [*plain.asked, *secure.asked]
    assert (done.returncode, done.stderr) == (0, ""), name
    assert asked


def test_a_check_without_the_option_would_ask_the_proxy(dead_proxy: str, tmp_path: Path) -> None:
    """The test above can fail."""
    bundle, tls = authority(tmp_path)
    (unit,) = (unit for name, unit in units() if name == "kubelet.service")
    with publishing() as plain, publishing(tls) as secure:
        text = unit.health.replace("--noproxy '*' ", "")
        done = health(text, plain, secure, bundle, tmp_path, dict.fromkeys(VARIABLES, dead_proxy))
    assert (done.returncode, plain.asked) == (7, [])


def health(
    text: str, plain: Publisher, secure: Publisher, bundle: Path, folder: Path, proxies: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a health check whose ports and files are those of the test's servers. A Unix socket becomes a port."""
    text = re.sub(r"--unix-socket \S+ http://localhost", f"http://127.0.0.1:{plain.server_port}", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", plain.url(), text)
    text = re.sub(r"https://127\.0\.0\.1:\d+", secure.url(), text)
    text = re.sub(r"--cacert \S+", f"--cacert {bundle}", text)
    text = re.sub(r"test ! -e \S+", "false", text)
    for server in (plain, secure):
        for path in re.findall(r"https?://127\.0\.0\.1:\d+(/\S*)", text):
            server.offer(path, b"ok")
    systemctl = folder / "systemctl"
    systemctl.write_text("#!/bin/sh\n")
    systemctl.chmod(0o755)
    environment = {"PATH": f"{folder}:{SYSTEM_PATH}", **proxies}
    command = ["sh", "-c", text]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
