"""The preflight of existing hosts: the script on this machine, and the findings from its output."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from components.machines.clocks import Offset
from components.machines.preflight import SCRIPT, Inspection, Report, Target, findings_of, read_report
from components.machines.ssh import Route, refusal

CONTAINER = subprocess.run(["systemd-detect-virt", "--container", "--quiet"], check=False).returncode == 0
FIT = {
    "ADDRESS": "127.0.0.1",
    "CONTAINERS": str(CONTAINER).lower(),
    "PACKAGES": "refuse",
    "SWAP": "disable",
    "CORES": "1",
    "MEMORY": "1",
    "DISKS": "/opt:1 /no/such/folder:1",
    "KERNEL": "3.10",
    "MODULES": "",
    "SYSCTLS": "",
    "COMMANDS": "sh cat",
    "UNITS": "no-such.service",
    "DATA": "/no/such/folder",
    "PORTS": "",
    "PEERS": "",
    "SERVERS": "",
    "PROXIES": "",
    "VIRTUAL": "",
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
ROUTE = Route("192.168.10.11", 22, "ops", KEY)
BASTION = Route("bastion.example.com", 2222, "jump", KEY)
# Findings that depend on the machine that runs the tests.
HERE = (
    "systemd is not running",
    "commands run as",
    "the kernel lacks the cgroup",
    "the processor",
    "the root file system is no shared",
)


def look(change: Mapping[str, str], command: Sequence[str] = ("dash", "-s")) -> list[str]:
    """The findings of the script on this machine, without findings that depend on this machine."""
    return [finding for finding in findings(change, command) if not finding.startswith(HERE)]


def findings(change: Mapping[str, str], command: Sequence[str] = ("dash", "-s"), before: str = "") -> list[str]:
    """All findings of the script on this machine. `before` is a script that runs first."""
    text = before + "".join(f"{name}='{value}'\n" for name, value in {**FIT, **change}.items())
    started = time.time()
    done = subprocess.run(
        command, input=text + SCRIPT.read_text(), capture_output=True, text=True, timeout=60, check=True
    )
    assert "\nend\n" in done.stdout, done.stderr
    report = read_report("here", done.stdout, started, time.time())
    # The truth is in the interval, however slow this machine is.
    assert report.clock.low <= 0 <= report.clock.high
    assert report.facts["hostname"] == os.uname().nodename
    return list(report.findings)


def test_a_fit_host_has_no_findings() -> None:
    assert look({}) == []


@pytest.mark.parametrize(
    ("processor", "page", "finding"),
    [
        ("x86_64", {}, None),
        (
            "x86_64",
            {"ARCHITECTURE": "arm64"},
            "the processor is x86_64 and the page says arm64; allowed: architecture: amd64",
        ),
        ("aarch64", {}, "the processor is aarch64 and the page says amd64; allowed: architecture: arm64"),
        ("aarch64", {"ARCHITECTURE": "arm64"}, None),
        ("riscv64", {"ARCHITECTURE": "arm64"}, "the processor is riscv64; allowed: x86_64 (amd64), aarch64 (arm64)"),
    ],
)
def test_the_processor_is_that_of_the_page(processor: str, page: dict[str, str], finding: str | None) -> None:
    """`uname -m` of another machine: there is none with another processor here."""
    before = f'uname() {{ if [ "$1" = -m ]; then echo {processor}; else command uname "$@"; fi; }}\n'
    found = [line for line in findings(page, before=before) if "processor" in line]
    assert found == ([finding] if finding else [])


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = look(
        {
            "ADDRESS": "192.0.2.1",
            "CONTAINERS": str(not CONTAINER).lower(),
            "CORES": "9999",
            "MEMORY": "99999999",
            "DISKS": "/var/lib/etcd:999999999",
            "KERNEL": "99.1",
            "MODULES": "no_such_module",
            "SYSCTLS": "net.ipv4.ip_forward=1 net.bridge.no-such-setting=1 kernel.osrelease=1",
            "COMMANDS": "sh no-such-program",
            "DATA": "/etc",
        }
    )
    assert [line.split(" ")[:3] for line in found] == [
        ["the", "kernel", "is"],
        ["hardway:machines.containers", "is", str(not CONTAINER).lower() + ";"],
        ["the", "host", "has"],
        ["the", "host", "has"],
        ["/var/lib/etcd", "has", found[4].split()[2]],
        ["the", "kernel", "lacks"],
        ["the", "setting", "kernel.osrelease"],
        ["the", "kernel", "lacks"],
        ["missing", "programs:", "no-such-program;"],
        ["/etc", "contains", "data"],
        ["192.0.2.1", "is", "not"],
    ]
    assert found[2] == f"the host has {os.cpu_count()} cores; allowed: at least 9999"
    assert found[3].endswith(" MiB of memory; allowed: at least 99999999")
    assert found[5].endswith("the setting net.bridge.no-such-setting")
    assert found[6].endswith(f"is {os.uname().release} and cannot be changed; allowed: 1")
    assert found[8].endswith("no-such-program; install them, or set hardway:machines.packages to install")


def test_a_taken_port_names_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (line,) = look({"PORTS": f"{port}:no-such.service"})
    assert line.startswith(f"port {port} is taken")
    if os.geteuid() == 0:
        assert f"(process {os.getpid()})" in line
    assert look({"PORTS": f"{port}:no-such.service"}) == []


def test_a_taken_port_of_datagrams_is_another_one() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        (line,) = look({"PORTS": f"{port}/udp:no-such.service {port}:no-such.service"})
    assert line.startswith(f"port {port}/udp is taken")


def test_a_peer_that_refuses_is_reached_and_a_mirror_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert look({"PEERS": f"127.0.0.1:{port}", "SERVERS": f"127.0.0.1:{port}"}) == []
    found = look({"PEERS": f"127.0.0.1:{port}", "SERVERS": f"127.0.0.1:{port} no-such-host.invalid:80"})
    assert sorted(found) == [
        f"cannot reach the mirror 127.0.0.1:{port}: refused",
        "cannot reach the mirror no-such-host.invalid:80: the name cannot be resolved",
    ]
    assert look({"PROXIES": f"127.0.0.1:{port}"}) == [f"cannot reach the proxy 127.0.0.1:{port}: refused"]


def test_a_module_brings_its_settings() -> None:
    assert look({"MODULES": "", "SYSCTLS": "net.bridge.no-such=1"}) == [
        "the kernel lacks the setting net.bridge.no-such"
    ]
    found = look({"MODULES": "br_netfilter", "SYSCTLS": "net.bridge.no-such=1"})
    assert not any("setting" in line for line in found)


def test_swap_is_found_unless_it_is_turned_off_or_the_hosts_own(tmp_path: Path) -> None:
    """A file is mounted in the place of the kernel's table of swap areas."""
    table = tmp_path / "swaps"
    table.write_text("Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 999 0 -2\n/swapfile file 999 0 -3\n")
    inside = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc/swaps && exec dash -s', str(table)]
    if subprocess.run(inside, input="true", text=True, capture_output=True, check=False).returncode != 0:
        pytest.skip("a mount namespace of its own takes root")

    def swap(change: Mapping[str, str]) -> list[str]:
        return [line for line in look(change, inside) if "swap" in line]

    said = "swap is on: /dev/sda2 /swapfile; turn it off, or set hardway:machines.swap to disable"
    assert swap({"SWAP": "refuse", "CONTAINERS": "false"}) == [said]
    assert swap({"SWAP": "disable", "CONTAINERS": "false"}) == []
    assert swap({"SWAP": "refuse", "CONTAINERS": "true"}) == []


def test_a_route_into_a_network_of_the_cluster_is_found() -> None:
    """`ip` lists the routes inside of a network."""
    routes = """
    ip() {
        case "$*" in
        "-4 route show root 10.244.0.0/16") echo "10.244.3.0/24 dev br-lab proto kernel scope link src 10.244.3.1" ;;
        "-4 route show root 10.96.0.0/16") echo "10.96.0.10 via 192.0.2.7 dev eth1" ;;
        esac
    }
    """
    networks = {"NETWORKS": "network.podCidr=10.244.0.0/16 network.serviceCidr=10.96.0.0/16"}
    found = [line for line in findings(networks, before=routes) if "route" in line]
    assert found == [
        f"the host has a route to {used}; remove the route, or choose another network on the page"
        for used in (
            "10.244.3.0/24, which is in 10.244.0.0/16 of network.podCidr",
            "10.96.0.10, which is in 10.96.0.0/16 of network.serviceCidr",
        )
    ]


IPTABLES = "*filter\n:INPUT DROP [0:0]\n:FORWARD {} [0:0]\n:OUTPUT ACCEPT [0:0]\n{}COMMIT\n"
NFT = "table inet guard {{\n\tchain forward {{\n\t\ttype filter hook forward priority filter; policy {};\n{}\t}}\n}}\n"
INPUT = "table inet guard {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n"
RULE = "-A FORWARD -s 10.244.0.0/16 -j ACCEPT\n"


@pytest.mark.parametrize(
    ("nft", "iptables", "network", "found"),
    [
        ("", "", "10.244.0.0/16", False),
        ("", IPTABLES.format("DROP", ""), "10.244.0.0/16", True),
        ("", IPTABLES.format("ACCEPT", ""), "10.244.0.0/16", False),
        ("", IPTABLES.format("DROP", RULE), "10.244.0.0/16", False),
        ("", IPTABLES.format("DROP", ""), "", False),
        (NFT.format("drop", ""), "", "10.244.0.0/16", True),
        (NFT.format("accept", ""), "", "10.244.0.0/16", False),
        (NFT.format("drop", "\t\tip saddr 10.244.0.0/16 accept\n"), "", "10.244.0.0/16", False),
        (INPUT, "", "10.244.0.0/16", False),
    ],
)
def test_a_firewall_that_drops_packets_of_pods_is_found(nft: str, iptables: str, network: str, found: bool) -> None:
    tools = f"nft() {{ printf '%s' '{nft}'; }}; iptables-save() {{ printf '%s' '{iptables}'; }}\n"
    said = [
        line for line in findings({"FORWARDED": network}, command=("bash", "-s"), before=tools) if "forwarded" in line
    ]
    assert said == found * [
        "the firewall of the host drops forwarded packets, so pods would reach no other node; accept packets from "
        "and to 10.244.0.0/16 (network.podCidr), or set the policy of the chain to accept"
    ]


def in_place_of(files: Mapping[str, Path]) -> list[str]:
    """The command that runs the script where these files of the machine are other ones. Skips the test without root."""
    mounts = "".join(f"mount --bind {ours} {theirs} && " for theirs, ours in files.items())
    inside = ["unshare", "--mount", "sh", "-c", f"{mounts}exec dash -s"]
    if subprocess.run(inside, input="true", text=True, capture_output=True, check=False).returncode != 0:
        pytest.skip("a mount namespace of its own takes root")
    return inside


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("127.0.0.1 localhost\n", True),
        ("127.0.1.1 here\n127.0.0.1\there localhost # by hand\n", True),
        ("127.0.1.1 here\n", False),
        ("::1 localhost\n", False),
        ("# 127.0.0.1 localhost\n127.0.0.1 localhost.example.com\n", False),
        ("", False),
    ],
)
def test_a_host_knows_its_own_name_for_itself(tmp_path: Path, text: str, fit: bool) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(text)
    said = [] if fit else ["/etc/hosts has no address for localhost; add the line: 127.0.0.1 localhost"]
    assert look({}, in_place_of({"/etc/hosts": hosts})) == said


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("nameserver 192.0.2.53\n", None),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.53\n", None),
        (
            "nameserver 127.0.0.1\nnameserver ::1\n",
            "/etc/resolv.conf names only 127.0.0.1 ::1, which pods do not reach; name a server that they reach, or set "
            "hardway:dns.upstreams",
        ),
        ("# nothing\n", "/etc/resolv.conf names no server; name one, or set hardway:dns.upstreams"),
    ],
)
def test_a_host_names_a_server_that_pods_reach(tmp_path: Path, text: str, finding: str | None) -> None:
    """Only if the page leaves names outside of the cluster to the servers of the host."""
    file = tmp_path / "resolv.conf"
    file.write_text(text)
    if Path("/run/systemd/resolve/resolv.conf").exists():
        pytest.skip("systemd-resolved runs here and has servers of its own")
    inside = in_place_of({"/etc/resolv.conf": file})
    assert look({"RESOLVER": "host"}, inside) == ([finding] if finding else [])
    assert look({}, inside) == []


def report(name: str, clock: float = 0.0, **facts: str) -> Report:
    """The report of a host without findings."""
    return Report(name, {"hostname": name, "machine-id": f"id of {name}", **facts}, (), Offset(clock, clock))


def test_hosts_are_told_apart_and_have_one_time() -> None:
    assert findings_of([report("a"), report("b", 4), report("c", -0.5)]) == []
    found = findings_of([report("a"), report("b", **{"machine-id": "id of a"}), report("c", 30, hostname="a")])
    assert found == [
        "b: the machine-id id of a is also the machine-id of a",
        "c: the hostname a is also the hostname of a",
        "c: the clock is 30 s ahead of the clocks of the other hosts; allowed: 5 s. Reason: etcd and certificates need "
        "one time; run on the host: timedatectl set-ntp true",
    ]
    assert findings_of([report("a", **{"machine-id": ""})]) == ["a: the host has no machine-id"]


def test_a_virtual_address_is_free_or_held_by_one_of_the_hosts() -> None:
    taken = {"virtual-address": "taken 192.168.10.100"}
    said = ["a: another machine has the virtual address 192.168.10.100; allowed: a free address"]
    assert findings_of([report("a", **taken), report("b", **taken), report("c")]) == said
    held = {"virtual-address": "held 192.168.10.100"}
    assert findings_of([report("a", **taken), report("b", **held)]) == []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert look({"VIRTUAL": f"127.0.0.1:{port}"}) == ["the host has the virtual address 127.0.0.1 already"]


REFUSED = {
    "another key": (255, "Host key verification failed.\r\n", "has another host key than the page says (ssh-ed25519)"),
    "no key of that type": (
        255,
        "Unable to negotiate with 192.168.10.11 port 22: no matching host key type found. Their offer: ssh-rsa\n",
        "the SSH server at 192.168.10.11:22 has another host key than the page says (ssh-ed25519)",
    ),
    "nobody there": (
        255,
        "ssh: connect to host 192.168.10.11 port 22: Connection refused\n",
        "node1: cannot be reached at 192.168.10.11:22: Connection refused",
    ),
    "no way in": (
        255,
        "ops@192.168.10.11: Permission denied (publickey).\n",
        "node1: ops cannot log in at 192.168.10.11:22: Permission denied (publickey).",
    ),
    "no sudo": (
        1,
        "sudo: a password is required\n",
        "node1: ops may not run commands as root without a password: sudo: a password is required",
    ),
    "behind the bastion": (
        255,
        "channel 0: open failed: connect failed: No route to host\nstdio forwarding failed\n"
        "Connection closed by UNKNOWN port 65535\n",
        "node1: cannot be reached at 192.168.10.11:22: No route to host",
    ),
    "silent behind the bastion": (
        255,
        "Connection to UNKNOWN port 65535 timed out\r\n",
        "node1: cannot be reached at 192.168.10.11:22: Connection timed out",
    ),
    "the bastion itself": (
        255,
        "ssh: connect to host bastion.example.com port 2222: Connection timed out\n"
        "Connection closed by UNKNOWN port 65535\n",
        "bastion bastion.example.com: cannot be reached at bastion.example.com:2222: Connection timed out",
    ),
}


@pytest.mark.parametrize(("code", "said", "message"), REFUSED.values(), ids=REFUSED)
def test_a_host_that_cannot_be_looked_at_is_named(code: int, said: str, message: str) -> None:
    refused = refusal("node1", ROUTE, BASTION, code, said)
    assert message in f"{refused.name}: {refused.problem}"


def test_what_is_wrong_with_the_bastion_is_said_once() -> None:
    said = "jump@bastion.example.com: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535\n"
    refused = [refusal(name, ROUTE, BASTION, 255, said) for name in "abc"]
    assert findings_of([Report(one.name, {}, (one.problem,)) for one in refused]) == [
        "bastion bastion.example.com: jump cannot log in at bastion.example.com:2222: Permission denied (publickey)."
    ]


def test_an_inspection_is_written_and_read() -> None:
    inspection = Inspection((Target("a", ROUTE, FIT),), BASTION, "key")
    assert Inspection.from_json(inspection.to_json()) == inspection
    assert "key" not in repr(inspection).replace("host_key", "")
    alone = Inspection((Target("a", ROUTE, FIT),), None, None)
    assert Inspection.from_json(alone.to_json()) == alone


def test_the_program_runs_by_its_path_with_any_python() -> None:
    """The command of `components/machines/existing.py`. -S: with the standard library only."""
    command = [sys.executable, "-S", "components/machines/preflight.py"]
    text = Inspection((), None, None).to_json()
    root = Path(__file__).parents[2]
    done = subprocess.run(command, input=text, cwd=root, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "fit for a cluster: \n"), done.stderr
