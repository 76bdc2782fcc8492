"""A real etcd cluster on 127.0.0.1 without TLS, and machines whose scripts reach it.

The programs are those that the project has built, or those on PATH. Scripts of nodes name fixed addresses and
certificates; on a machine of this module etcdctl and curl are the real programs, with other addresses.
"""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from scratch_machine import ScratchMachine

from tools.common.paths import shared_cache
from tools.from_source import catalogue

_START_SECONDS = 15
_ETCDCTL = """\
left=$#
while [ "$left" -gt 0 ]; do
    word=$1 left=$((left - 1))
    shift
    case $word in
    --cacert=* | --cert=* | --key=*) ;;
    --endpoints=https://127.0.0.1:2379) set -- "$@" --endpoints=CLIENT ;;
    *) set -- "$@" "$word" ;;
    esac
done
exec PROGRAM "$@"
"""
_CURL = """\
left=$#
while [ "$left" -gt 0 ]; do
    word=$1 left=$((left - 1))
    shift
    case $word in
    http://127.0.0.1:2381/*) set -- "$@" "METRICS/${word#http://127.0.0.1:2381/}" ;;
    *) set -- "$@" "$word" ;;
    esac
done
exec /usr/bin/curl "$@"
"""


def program(name: str) -> Path | None:
    """The program of etcd that nodes run, if it is built, or the one on PATH.

    Not any built version: snapshots record their version, and the cache keeps those of other commits.
    """
    version = next(one.version for one in catalogue.NODE if one.name == name)
    built = sorted((shared_cache() / "store").glob(f"{name}-{version}-*/{name}"))
    found = shutil.which(name)
    return built[-1] if built else Path(found) if found else None


needs_etcd = pytest.mark.skipif(
    not all(program(name) for name in ("etcd", "etcdctl", "etcdutl")),
    reason="no etcd here: run `make tools`",
)


@dataclass
class Member:
    """A running member, and its URLs for clients, for members and for health."""

    name: str
    folder: Path
    client: str
    peer: str
    metrics: str
    quota: int = 0
    process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """End the member as systemd does."""
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=20)
            self.process = None


class EtcdCluster:
    """Members with the names m1, m2, ... in folders of the test."""

    def __init__(self, folder: Path, size: int, quota: int) -> None:
        self.folder, self.quota = folder, quota
        ports = iter(_free_ports(3 * size))
        self.members = [
            Member(f"m{number}", folder / f"m{number}", *(f"http://127.0.0.1:{next(ports)}" for _ in range(3)))
            for number in range(1, size + 1)
        ]

    def restart(self, member: Member, quota: int) -> None:
        """Restart a member with this quota in bytes, and wait until it answers."""
        member.stop()
        self.start(member, quota)
        self.wait()

    def start(self, member: Member, quota: int = 0) -> None:
        """Start a member, with another quota in bytes."""
        member.quota = quota or self.quota
        member.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "name": member.name,
            "data-dir": member.folder / "data",
            "listen-client-urls": member.client,
            "advertise-client-urls": member.client,
            "listen-peer-urls": member.peer,
            "initial-advertise-peer-urls": member.peer,
            "listen-metrics-urls": member.metrics,
            "initial-cluster": ",".join(f"{other.name}={other.peer}" for other in self.members),
            "quota-backend-bytes": member.quota,
            "unsafe-no-fsync": "true",
        }
        with (member.folder / "log").open("ab") as log:
            member.process = subprocess.Popen(
                [str(program("etcd")), *(f"--{name}={value}" for name, value in options.items())],
                stdout=log,
                stderr=log,
            )

    @property
    def etcdctl(self) -> str:
        """The path of etcdctl."""
        return str(program("etcdctl"))

    def ctl(
        self, *words: str, text: str = "", check: bool = True, member: Member | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run etcdctl with all members that run, or with one."""
        clients = ",".join(one.client for one in self.members if one.process and member in (None, one))
        command = [self.etcdctl, f"--endpoints={clients}", *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=check)

    def wait(self) -> None:
        """Wait until every member that runs answers a linearizable read."""
        until = time.monotonic() + _START_SECONDS
        running = [member.client for member in self.members if member.process]
        while any(self._answers(client) is False for client in running):
            assert time.monotonic() < until, (self.members[0].folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def _answers(self, client: str) -> bool:
        command = [str(program("etcdctl")), f"--endpoints={client}", "--command-timeout=1s", "get", "x"]
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0

    @property
    def leader(self) -> Member:
        """The member that leads."""
        for member in self.members:
            status = json.loads(self.ctl("endpoint", "status", "--write-out=json", member=member).stdout)[0]["Status"]
            if status["leader"] == status["header"]["member_id"]:
                return member
        raise AssertionError("no member leads")

    def fill(self) -> None:
        """Write until the alarm NOSPACE stands: many revisions of few keys, so that compaction frees most of it."""
        for number in range(1000):
            if self.ctl("put", f"/fill/{number % 3}", text="x" * 200_000, check=False).returncode != 0:
                break
        assert "NOSPACE" in self.alarms

    def empty(self) -> None:
        """Delete all keys, give back the space, and disarm alarms."""
        self.ctl("del", "--prefix", "/")
        answer = self.ctl("get", "x", "--write-out=json").stdout
        self.ctl("compact", "--physical", str(json.loads(answer)["header"]["revision"]), check=False)
        self.ctl("defrag")
        self.ctl("alarm", "disarm")

    @property
    def alarms(self) -> str:
        """The alarms that stand."""
        return self.ctl("alarm", "list").stdout

    def machine(self, folder: Path, member: Member) -> ScratchMachine:
        """A machine whose scripts reach this member as their own."""
        made = ScratchMachine(folder)
        self.equip(made, member)
        return made

    def equip(self, machine: ScratchMachine, member: Member) -> None:
        """Let the scripts of a machine reach this member as their own."""
        text = _ETCDCTL.replace("CLIENT", member.client).replace("PROGRAM", str(program("etcdctl")))
        machine.program("etcdctl", text, machine.root / "bin")
        (machine.root / "bin/etcdutl").symlink_to(program("etcdutl") or "")
        machine.program("curl", _CURL.replace("METRICS", member.metrics))


@contextmanager
def running(folder: Path, size: int, quota: int) -> Iterator[EtcdCluster]:
    """A cluster of `size` members that answer, each with a quota in bytes."""
    made = EtcdCluster(folder, size, quota)
    try:
        for member in made.members:
            made.start(member)
        made.wait()
        yield made
    finally:
        for member in made.members:
            if member.process:
                member.process.kill()
                member.process.wait()


def _free_ports(count: int) -> Sequence[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
