"""What a machine prints about itself (status.sh), read by the program that prints the page of health."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from authorities import make
from publisher import authority, publishing
from scratch_machine import ScratchMachine

from tools.operate.etcd_status import MemberStatus
from tools.status.machine import Machine, Snapshot, parse

# `etcdctl endpoint status --write-out=json` of etcd 3.7.2 with a full database.
ETCD = (
    '[{"Endpoint":"http://127.0.0.1:23790","Status":{"header":{"cluster_id":324952591200643719,"member_id":'
    '3319814642761637952,"revision":3,"raft_term":2},"version":"3.7.2","dbSize":2826240,"leader":3319814642761637952,'
    '"raftIndex":9,"raftTerm":2,"raftAppliedIndex":9,"errors":["memberID:3319814642761637952  alarm:NOSPACE"],'
    '"dbSizeInUse":1884160,"storageVersion":"3.7.0","dbSizeQuota":2000000,"downgradeInfo":{}}}]'
)
ALARM = "memberID:3319814642761637952  alarm:NOSPACE"
FULL = MemberStatus(3319814642761637952, 3319814642761637952, "3.7.2", 2826240, 1884160, 2000000, 3, False, (ALARM,))


@pytest.fixture
def machine(tmp_path: Path) -> ScratchMachine:
    """A machine with the release `one`: etcd, whose check fails, the kubelet, and a unit that a timer starts."""
    made = ScratchMachine(tmp_path)
    release = made.root / "releases/one"
    for name, text in {
        "tables/units": "etcd.service 1 1\nkubelet.service 1 1\netcd-backup.service 1 1 installed\n",
        "tables/versions": "etcd 3.7.2\nkubelet 1.37.1\n",
        "tables/directories": "/var/lib/etcd etcd 0700\n/var/lib/gone root 0755\n",
        "health/etcd.service": "echo 'curl: (22) The requested URL returned error: 503' >&2; false",
        "health/kubelet.service": "true",
        "cfg/etcd-functions": (Path("components/node/scripts/etcd_ask.sh")).read_text(),
        "cfg/backup.env": 'BACKUP_SECONDS="900"\n',
    }.items():
        (release / name).parent.mkdir(parents=True, exist_ok=True)
        (release / name).write_text(text)
    (made.root / "current").symlink_to("releases/one")
    (made.sysroot / "var/lib/etcd").mkdir()
    made.program(
        "systemctl",
        """case "$*" in
        'is-active etcd.service') echo active ;;
        'is-active kubelet.service') echo failed; exit 3 ;;
        'show --property=NRestarts --value kubelet.service') echo 4 ;;
        'show '*) echo 0 ;;
        *) exit 9 ;;
        esac
        """,
    )
    made.program(
        "etcdctl",
        f"case \"$*\" in *status*) echo '{ETCD}' ;; *get*) echo '1795000000 abc 17' ;; esac\n",
        made.root / "bin",
    )
    return made


def state(machine: ScratchMachine) -> Machine:
    done = machine.run("status")
    assert done.returncode == 0, done.stderr
    return parse("cp-1", done.stdout)


def test_a_machine_tells_its_state(machine: ScratchMachine) -> None:
    """The facts that the page of health shows."""
    found = state(machine)
    assert (found.silence, found.release, found.is_unfinished) == ("", "one", False)
    assert found.versions == (("etcd", "3.7.2"), ("kubelet", "1.37.1"))
    etcd, kubelet = found.units
    assert (etcd.name, etcd.state, etcd.restarts) == ("etcd.service", "active", 0)
    assert etcd.problem == "curl: (22) The requested URL returned error: 503" and not etcd.is_healthy
    assert (kubelet.state, kubelet.restarts, kubelet.problem, kubelet.is_healthy) == ("failed", 4, "", False)
    assert found.clock is not None and abs(found.clock - datetime.now(UTC)) < timedelta(minutes=1)
    assert found.member == FULL and FULL.alarms == ("NOSPACE",)
    assert found.snapshot == Snapshot(datetime.fromtimestamp(1795000000, UTC), timedelta(minutes=15))


@pytest.mark.parametrize(("mode", "table", "lost"), [("nftables", 1, True), ("nftables", 0, False), ("ipvs", 1, False)])
def test_rules_that_a_firewall_took_along_are_told(machine: ScratchMachine, mode: str, table: int, lost: bool) -> None:
    """kube-proxy itself says that it is healthy."""
    release = machine.root / "current"
    (release / "tables/units").write_text("kube-proxy.service 1 1\n")
    (release / "health/kube-proxy.service").write_text("true")
    (release / "cfg/kube-proxy.json").write_text(json.dumps({"mode": mode}, indent=2))
    machine.program("systemctl", "case $1 in is-active) echo active ;; *) echo 0 ;; esac\n")
    machine.program("nft", f"exit {table}\n")
    (proxy,) = state(machine).units
    assert ("its rules are not in the kernel" in proxy.problem, proxy.is_healthy) == (lost, not lost)


def test_each_file_system_is_listed_once(machine: ScratchMachine) -> None:
    """The directories of this machine are on one file system. A directory that is not there is left out."""
    (disk,) = state(machine).disks
    assert disk.directory == "/opt/kubernetes" and 0 < disk.free < disk.size


def test_an_unfinished_activation_is_told(machine: ScratchMachine) -> None:
    (machine.root / "unproven").write_text("zero")
    assert state(machine).is_unfinished


def test_a_certificate_that_a_unit_does_not_show_is_told(machine: ScratchMachine, tmp_path: Path) -> None:
    """A server of the test has the certificate of one file. The unit that does not listen is no matter of this fact."""
    present, tls = authority(tmp_path)
    release = machine.root / "releases/one"
    (release / "renewed.pem").write_text(make("CN=renewed").chain)
    (release / "present.pem").write_text(present.read_text())
    with publishing(tls) as server:
        address = f"127.0.0.1:{server.server_port}"
        shows = [("kubelet", address, "present"), ("etcd", address, "renewed"), ("off", "127.0.0.1:1", "present")]
        table = "".join(f"{name}.service {where} {file}.pem\n" for name, where, file in shows)
        (release / "tables/certificates").write_text(table)
        done = machine.run("status")
    assert [line for line in done.stdout.splitlines() if line.startswith("shown")] == [
        "shown\tkubelet.service\tsame",
        "shown\tetcd.service\tother",
    ]
    assert parse("cp-1", done.stdout).stale == ("etcd.service",)


def test_a_member_that_does_not_answer_has_no_facts(machine: ScratchMachine) -> None:
    machine.program("etcdctl", "exit 1\n", machine.root / "bin")
    found = state(machine)
    assert found.member is None and found.snapshot is None and found.versions


def test_a_machine_without_a_member_asks_no_etcd(machine: ScratchMachine) -> None:
    """A control-plane node has etcdctl too, to remove members."""
    (machine.root / "current/health/etcd.service").unlink()
    (machine.root / "current/tables/units").write_text("kubelet.service 1 1\n")
    assert state(machine).member is None
    assert not [call for call in machine.calls if call.startswith("etcdctl")]


def test_no_snapshot_yet(machine: ScratchMachine) -> None:
    machine.program("etcdctl", f"case \"$*\" in *status*) echo '{ETCD}' ;; esac\n", machine.root / "bin")
    assert state(machine).snapshot == Snapshot(None, timedelta(minutes=15))


def test_a_machine_without_a_release_says_so(tmp_path: Path) -> None:
    done = ScratchMachine(tmp_path).run("status")
    assert (done.returncode, done.stderr) == (1, "this machine has no release\n")


@pytest.mark.parametrize("text", ["", "Welcome to this machine\n", "release\tone\twhole\n", "release\tone\nclock\t1\n"])
def test_other_output_is_no_state(text: str) -> None:
    """A login shell may print other things."""
    with pytest.raises(ValueError, match="something else than its state"):
        parse("cp-1", text)
