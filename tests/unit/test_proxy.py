"""`artifacts.proxy`: what nodes fetch goes through the proxy, and nothing else does."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import Cluster, cluster
from publisher import Publisher, authority, publishing
from scratch_machine import ReleaseMachine, ScratchMachine

from components.config.artifacts import Proxy
from components.config.existing import ExistingSection
from components.machines.needs import needs_of
from components.node.model import Unit

pytest_plugins = ["fetching_fixtures"]
FILE = b"#!/bin/sh\necho kubelet\n"
SHA256 = hashlib.sha256(FILE).hexdigest()
URL = "http://releases.invalid/kubelet"
"""No DNS server knows the name: only the proxy can answer."""
GIVEN = {"http": "http://10.0.0.9:3128", "https": "http://proxy.example.com:3129/", "noProxy": ["192.168.10.0/24"]}
SCRIPTS = ("apply", "stage", "download")


def behind_a_proxy(change: dict[str, object] | None = None) -> Cluster:
    return cluster("existing", {"artifacts.proxy": GIVEN | (change or {})})


def unit_of(made: Cluster, name: str, node: str = "worker-1") -> Unit:
    (found,) = (unit for unit in made.part(node).units if unit.name == name)
    return found


def test_a_node_has_one_file_with_the_proxy() -> None:
    made = behind_a_proxy()
    for node in made.topology.nodes:
        (file,) = (file for file in made.part(node.name).files if file.path == "cfg/proxy")
        assert isinstance(file.content, str)
        assert file.content.splitlines() == [
            "all_proxy=",
            "ALL_PROXY=",
            "http_proxy=http://10.0.0.9:3128",
            "HTTP_PROXY=http://10.0.0.9:3128",
            "https_proxy=http://proxy.example.com:3129",
            "HTTPS_PROXY=http://proxy.example.com:3129",
            *(
                f"{name}=localhost,127.0.0.1,::1,{made.page.network.pod_cidr},{made.page.network.service_cidr},"
                f".{made.page.cluster.domain},192.168.10.0/24"
                for name in ("no_proxy", "NO_PROXY")
            ),
        ]


def test_containerd_pulls_images_through_the_proxy_and_no_other_service_uses_it() -> None:
    made = behind_a_proxy()
    for node in made.topology.nodes:
        using = [unit for unit in made.part(node.name).units if "cfg/proxy" in (unit.text + unit.health + unit.leave)]
        wanted = ["containerd.service"] if node.runs_kubelet else []
        assert [unit.name for unit in using] == wanted
        assert all("cfg/proxy" in unit.restart_on for unit in using)
    assert "EnvironmentFile=/opt/kubernetes/cfg/proxy\n" in unit_of(made, "containerd.service").text


def test_another_proxy_restarts_containerd_alone() -> None:
    made, other = behind_a_proxy(), behind_a_proxy({"http": "http://10.0.0.8:3128"})
    before, after = made.release("worker-1"), other.release("worker-1")
    changed = [name for name in before.units if before.units[name] != after.units[name]]
    assert (before.digest != after.digest, changed) == (True, ["containerd.service"])


def test_a_page_without_a_proxy_has_no_trace_of_it() -> None:
    made = cluster("existing")
    assert "cfg/proxy" not in {file.path for file in made.part("worker-1").files}
    assert "EnvironmentFile" not in unit_of(made, "containerd.service").text


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://dl.k8s.io/x", "http://s"),
        ("http://deb.debian.org/debian", "http://p"),
        ("http://192.168.10.5:5000", None),
        ("http://192.168.11.5:5000", "http://p"),
        ("https://mirror.example.com/x", None),
        ("https://a.mirror.example.com", None),
        ("https://amirror.example.com", "http://s"),
        ("https://x.corp", None),
        ("http://10.0.0.7", None),
        ("http://10.0.0.77", "http://p"),
    ],
)
def test_exceptions_are_hosts_subdomains_and_networks(url: str, wanted: str | None) -> None:
    exceptions = ["192.168.10.0/24", "mirror.example.com", ".corp", "10.0.0.7"]
    assert Proxy.model_validate({"http": "http://p", "https": "http://s", "noProxy": exceptions}).of(url) == wanted


def reach(made: Cluster) -> set[tuple[str, str]]:
    """What hosts have to reach: mirrors, and proxies."""
    page = made.page
    assert isinstance(page.machines, ExistingSection)
    needs = [needs_of(page, page.machines, made.topology, node) for node in made.topology.nodes]
    return {(need["SERVERS"], need["PROXIES"]) for need in needs}


def test_a_host_has_to_reach_the_proxy_and_not_what_is_behind_it() -> None:
    proxies = "10.0.0.9:3128 proxy.example.com:3129"
    assert reach(behind_a_proxy({"noProxy": []})) == {("", proxies)}
    assert reach(behind_a_proxy()) == {("192.168.10.5:80 192.168.10.5:5000", proxies)}
    assert reach(cluster("existing")) == {("192.168.10.5:80 192.168.10.5:5000", "")}


@pytest.fixture
def proxy() -> Iterator[Publisher]:
    with publishing() as server:
        yield server


def lines(machine: ScratchMachine, proxy: Publisher, no_proxy: str = "") -> str:
    """Commands that let the script read a file with the proxy."""
    path = machine.folder / "proxy"
    names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY")
    values = {"all_proxy": "", **dict.fromkeys(names, proxy.url()), "no_proxy": no_proxy}
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return f"proxy_file={path}"


def test_programs_are_fetched_through_the_proxy(machine: ScratchMachine, proxy: Publisher) -> None:
    proxy.offer(URL, FILE)
    done = machine.call(SCRIPTS, f"{lines(machine, proxy)}\nfetch {SHA256} - {URL}")
    assert (done.returncode, proxy.asked) == (0, [URL]), done.stderr
    assert (machine.root / "store" / SHA256 / "file").read_bytes() == FILE


def test_https_goes_through_the_proxy_too(machine: ScratchMachine, proxy: Publisher) -> None:
    bundle, tls = authority(machine.folder)
    with publishing(tls) as release:
        url = release.offer("/kubelet", FILE)
        done = machine.call(SCRIPTS, f"{lines(machine, proxy)}\nfetch {SHA256} - {url}", CURL_CA_BUNDLE=str(bundle))
    assert (done.returncode, release.asked) == (0, ["/kubelet"]), done.stderr
    assert proxy.asked == [f"CONNECT 127.0.0.1:{release.server_port}"]


def test_exceptions_are_fetched_directly(machine: ScratchMachine, proxy: Publisher) -> None:
    with publishing() as mirror:
        url = mirror.offer("/kubelet", FILE)
        done = machine.call(SCRIPTS, f"{lines(machine, proxy, '127.0.0.1')}\nfetch {SHA256} - {url}")
    assert (done.returncode, proxy.asked, mirror.asked) == (0, [], ["/kubelet"]), done.stderr


def test_the_proxy_of_the_page_goes_before_that_of_the_environment(machine: ScratchMachine, proxy: Publisher) -> None:
    proxy.offer(URL, FILE)
    host = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:1")
    done = machine.call(SCRIPTS, f"{lines(machine, proxy)}\nfetch {SHA256} - {URL}", **host)
    assert (done.returncode, proxy.asked) == (0, [URL]), done.stderr


def test_the_proxy_is_named_when_a_download_fails(machine: ScratchMachine, proxy: Publisher) -> None:
    done = machine.call(SCRIPTS, f"{lines(machine, proxy)}\nfetch {SHA256} - {URL}")
    assert done.returncode == 1
    assert f"{URL} answered with the HTTP status 404 (the page sets artifacts.proxy)" in done.stderr
    done = machine.call(SCRIPTS, f"fetch {SHA256} - {URL}", http_proxy=proxy.url())
    assert f"{URL} answered with the HTTP status 404 (the environment of this host sets a proxy)" in done.stderr


def test_a_release_brings_its_proxy(tmp_path: Path, proxy: Publisher) -> None:
    """A whole `stage` of a machine that has no release yet."""
    proxy.offer(URL, FILE)
    machine = ReleaseMachine(tmp_path)
    new = machine.whole_payload(f"{SHA256} - {URL} kubelet -\n")
    (new / "cfg/proxy").write_text(f"http_proxy={proxy.url()}\n")
    done = machine.apply("stage", "abc", str(new))
    assert (done.returncode, proxy.asked) == (0, [URL]), done.stderr
    assert (machine.root / "releases/abc/bin/kubelet").read_bytes() == FILE


@pytest.mark.skipif(not shutil.which("apt-get"), reason="this host has no apt-get")
def test_packages_come_through_the_proxy(machine: ScratchMachine, proxy: Publisher) -> None:
    """The real apt-get, with folders, sources and settings of the test: it asks the proxy for the lists of packages."""
    folder = machine.folder / "apt"
    for path in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "log"):
        (folder / path).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text("deb [trusted=yes] http://deb.invalid/debian stable main\n")
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc": folder / "etc",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Log": folder / "log",
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
        "Acquire::Retries": "0",
    }
    (folder / "config").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    machine.program("systemctl")
    command = f"{lines(machine, proxy)}\ninstall_packages no-such-program"
    done = machine.call(SCRIPTS, command, APT_CONFIG=str(folder / "config"))
    assert (done.returncode, "apt-get cannot install: no-such-program" in done.stderr) == (1, True), done.stderr
    assert "http://deb.invalid/debian/dists/stable/InRelease" in proxy.asked, done.stderr
