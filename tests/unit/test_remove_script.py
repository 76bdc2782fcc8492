"""What `remove.sh` removes from a host and what it keeps, also if it is killed and run again."""

import getpass
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import cluster
from scratch_machine import SYSTEM_PATH, ScratchMachine, alive

from components.node import scripts

# Everything on the host that is not hardway's.
FOREIGN = {
    "etc/fstab": "/dev/sda1 / ext4\n",
    "etc/cni/net.d/10-other.conf": "{}",
    "etc/systemd/system/other.service": "[Service]\n",
    "etc/profile.d/other.sh": "true\n",
    "opt/containerd/lib/theirs": "x",
    "opt/other/file": "x",
    "run/other.pid": "1",
    "usr/lib/systemd/system/kubelet.service": "[Service]\n",
    "var/lib/other/data": "x",
    "var/log/syslog": "x",
}
DATA = {
    "var/lib/etcd/member/snap/db": "data",
    "var/lib/kubelet/kubeconfig": "x",
    "var/lib/containerd/io.containerd/meta.db": "x",
}
OURS = {
    "etc/profile.d/kubernetes.sh": "PATH\n",
    "etc/systemd/logind.conf.d/99-kubelet.conf": "[Login]\n",
    "etc/systemd/network/00-kubernetes-pods.network": "[Match]\n",
    "opt/kubernetes/log/kube-apiserver/audit.log": "{}",
    "opt/kubernetes/store/abc/file": "program",
    "run/containerd/containerd.sock": "",
    "run/flannel/subnet.env": "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_MTU=1450\n",
    "run/hardway/x": "",
    "run/hardway-used": "",
    "run/kubernetes-api-proxy.sock": "",
    "run/netns/cni-1": "",
    "run/nri/nri.sock": "",
    "var/lib/cni/results": "",
    "var/log/containers/a.log": "",
    "var/log/pods/a/0.log": "",
}
UNITS = {"one": ["etcd.service", "old.service"], "two": ["etcd.service", "kubelet.service", "cni-config.path"]}
DIRECTORIES = ["/var/lib/etcd", "/var/lib/kubelet", "/var/lib/containerd", "/etc/cni/net.d", "/opt/kubernetes/log"]
REMNANTS = [(remnant.kind, remnant.name) for remnant in cluster("existing").part("worker-1").remnants]
MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
tmpfs /var/lib/kubelet/pods/a/volumes/b tmpfs rw 0 0
overlay /run/containerd/io/rootfs overlay rw 0 0
nsfs /run/netns/cni-1 nsfs rw 0 0
tmpfs /var/lib/other tmpfs rw 0 0
nsfs /run/netns/theirs nsfs rw 0 0
"""
FILTER = """\
*filter
:INPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -j KUBE-SERVICES
-A INPUT -p tcp --dport 22 -j ACCEPT
-A FORWARD -m comment --comment FLANNEL-FWD -j FLANNEL-FWD
COMMIT
"""
EMPTY = "table ip nat {\n\tchain POSTROUTING {\n\t\ttype nat hook postrouting priority 100; policy accept;\n\t}\n}\n"
USED = EMPTY.replace("policy accept;", "policy accept;\n\t\tmasquerade")


class Host(ScratchMachine):
    """A host with two releases, the second of them current, and with files of other programs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.put(FOREIGN | DATA | OURS)
        for digest, units in UNITS.items():
            tables = self.root / "releases" / digest / "tables"
            tables.mkdir(parents=True)
            (tables.parent / "remove.sh").write_text(scripts.text("remove"))
            (tables / "units").write_text("".join(f"{unit} 1 1\n" for unit in units))
            (tables / "network").write_text("".join(f"{kind} {name}\n" for kind, name in REMNANTS))
            (tables / "directories").write_text("".join(f"{path} root 0755\n" for path in DIRECTORIES))
            self.put({f"etc/systemd/system/{unit}": "[Service]\n" for unit in units})
        (self.root / "current").symlink_to("releases/two")
        (self.root / "bin").mkdir()
        (self.root / "users").write_text("a-user-of-ours\n")
        (self.sysroot / "proc/mounts").write_text(MOUNTS)
        for interface in ("cni0", "flannel.1", "eth0"):
            (self.sysroot / "sys/class/net" / interface).mkdir()
        for program in ("systemctl", "umount", "userdel", "crictl", "iptables-restore", "ip6tables-restore"):
            self.program(program)
        for program in ("crictl", "kube-proxy"):
            self.program(program, at=self.root / "bin")
        self.program("iptables-save", f"cat <<'END'\n{FILTER}END\n")
        self.program("ip6tables-save")
        self.program("ipset", "[ $1 != list ] || echo 'theirs\nKUBE-6-CLUSTER-IP' | xargs -n1\n")
        self.program("ip", "[ \"$2\" != show ] || echo '10.244.1.0/24 via 10.0.0.2 dev eth0'\n")
        self.nft_tables({})

    def put(self, files: dict[str, str]) -> None:
        """Write files below the root of the host."""
        for name, text in files.items():
            (self.sysroot / name).parent.mkdir(parents=True, exist_ok=True)
            (self.sysroot / name).write_text(text)

    def nft_tables(self, tables: dict[str, str]) -> None:
        """Let `nft list table` show these tables, `FAMILY NAME` -> text; other tables do not exist."""
        cases = "".join(f"'list table {name}') cat <<'END'\n{text}END\n;;\n" for name, text in tables.items())
        self.program("nft", f"case $* in\n{cases}*) exit 1 ;;\nesac\n")

    def remove(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script as the command that removes a host does."""
        return self.run("remove", *arguments)

    @property
    def hosts_own(self) -> set[str]:
        """Files of the host, without those that the kernel provides."""
        return {name for name in self.files() if not name.startswith(("proc/", "sys/"))}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that is removed."""
    return Host(tmp_path)


def test_everything_of_ours_is_removed_and_nothing_else(host: Host) -> None:
    done = host.remove("--data")
    # A network plugin of others has put a file into a directory of ours.
    assert (done.returncode, done.stderr) == (0, "")
    kept = host.sysroot / "etc/cni/net.d"
    assert done.stdout == f"node: everything that hardway installed is removed; data stays in {kept}\n"
    assert host.hosts_own == set(FOREIGN)
    assert not host.root.exists()


def test_data_and_its_owner_stay_unless_their_removal_is_requested(host: Host) -> None:
    (host.root / "users").write_text(f"{getpass.getuser()}\na-user-of-ours\n")
    done = host.remove()
    assert done.returncode == 0, done.stderr
    assert host.hosts_own == {*FOREIGN, *DATA}
    for folder in ("etcd", "kubelet", "containerd"):
        assert str(host.sysroot / "var/lib" / folder) in done.stdout
    assert [call for call in host.calls if call.startswith("userdel")] == ["userdel a-user-of-ours"]


def test_certificates_of_the_kubelet_are_gone_with_the_node(host: Host) -> None:
    """With them, a host that has left could go on as the node that it was. They are not what an operator keeps."""
    pki = host.sysroot / "var/lib/kubelet/pki"
    pki.mkdir()
    (pki / "kubelet-client-2026-11-27.pem").write_text("certificate and key")
    (pki / "kubelet-client-current.pem").symlink_to("kubelet-client-2026-11-27.pem")
    assert host.remove().returncode == 0
    assert not pki.exists() and host.hosts_own == {*FOREIGN, *DATA}


def test_pods_end_before_units_and_units_before_their_files(host: Host) -> None:
    host.program("systemctl", f"ls {host.system} | paste -sd' ' - >>{host.folder}/seen\n")
    assert host.remove().returncode == 0
    calls = [call for call in host.calls if call.startswith(("systemctl", "crictl", "kube-proxy", "umount", "ip "))]
    expected = [
        "systemctl stop kubelet.service",
        "systemctl --quiet is-active containerd.service",
        "crictl rmp --force --all",
        "systemctl stop kube-proxy.service",
        "kube-proxy --cleanup",
        "systemctl --quiet disable cni-config.path etcd.service kubelet.service old.service",
        "systemctl stop cni-config.path etcd.service kubelet.service old.service",
        "systemctl stop cni-config.path etcd.service kubelet.service old.service",
        "systemctl daemon-reload",
        "systemctl reset-failed cni-config.path etcd.service kubelet.service old.service",
        "systemctl stop kubepods.slice kubepods-*.slice",
    ]
    assert calls[: len(expected)] == expected
    seen = (host.folder / "seen").read_text().splitlines()
    assert ["etcd.service" in line for line in seen] == [True] * 6 + [False] * 3
    assert all("other.service" in line for line in seen)


def test_units_that_do_not_stop_in_time_are_killed(host: Host) -> None:
    host.program("timeout", 'case $* in *"systemctl stop"*) exit 124 ;; esac; shift; "$@"\n')
    assert host.remove().returncode == 0
    assert "systemctl kill --signal=KILL cni-config.path etcd.service kubelet.service old.service" in host.calls


def test_only_mounts_of_pods_and_containers_are_unmounted(host: Host) -> None:
    host.program("umount", "case $1 in --lazy) ;; *kubelet*) exit 1 ;; esac\n")
    assert host.remove().returncode == 0
    assert [call for call in host.calls if call.startswith("umount")] == [
        "umount /var/lib/kubelet/pods/a/volumes/b",
        "umount --lazy /var/lib/kubelet/pods/a/volumes/b",
        "umount /run/netns/cni-1",
        "umount /run/containerd/io/rootfs",
    ]


def test_routes_interfaces_and_rules_of_pods_are_removed_and_others_stay(host: Host) -> None:
    host.nft_tables({"ip nat": EMPTY, "ip filter": USED, "ip6 filter": EMPTY.replace("accept", "drop")})
    restored = host.folder / "restored"
    host.program("iptables-restore", f'cat "$2" >{restored}\n')
    assert host.remove().returncode == 0
    changes = [call for call in host.calls if call.startswith(("ip ", "nft delete"))]
    assert changes == [
        "ip route show root 10.244.0.0/16",
        "ip route del 10.244.1.0/24 via 10.0.0.2 dev eth0",
        "ip link del cni0",
        "ip link del flannel.1",
        *(f"nft delete table {f} {n}" for f in ("ip", "ip6") for n in ("kube-proxy", "flannel-ipv4", "flannel-ipv6")),
        "nft delete table ip nat",
    ]
    kept = [line for line in FILTER.splitlines() if "KUBE-" not in line and "FLANNEL-" not in line]
    assert restored.read_text().splitlines() == kept


def test_sets_of_kube_proxy_are_removed(host: Host) -> None:
    """kube-proxy leaves the sets of IPv6 itself."""
    assert host.remove().returncode == 0
    assert [call for call in host.calls if call.startswith("ipset destroy")] == ["ipset destroy KUBE-6-CLUSTER-IP"]


@pytest.mark.parametrize("theirs", [None, "etc/systemd/logind.conf.d/10-theirs.conf"])
def test_a_directory_that_a_program_made_is_removed_if_it_is_empty(host: Host, theirs: str | None) -> None:
    if theirs:
        host.put({theirs: "[Login]\n"})
    assert host.remove().returncode == 0
    assert (host.sysroot / "etc/systemd/logind.conf.d").exists() is bool(theirs)
    assert (host.sysroot / "etc/systemd/network").exists()


@pytest.fixture
def process(host: Host) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """A process of our program, a process in a pod's cgroup, and another process; the machine shows all three."""
    (host.root / "bin").mkdir(exist_ok=True)
    program = shutil.copy("/bin/sleep", host.root / "bin/etcd")
    found = {
        name: subprocess.Popen([program if name == "ours" else "/bin/sleep", "60"]) for name in ("ours", "pod", "other")
    }
    for name, one in found.items():
        entry = host.sysroot / "proc" / str(one.pid)
        entry.mkdir()
        (entry / "exe").symlink_to(program if name == "ours" else "/bin/sleep")
        group = host.sysroot / "sys/fs/cgroup" / ("kubepods/pod1" if name == "pod" else f"{name}.slice")
        group.mkdir(parents=True)
        (group / "cgroup.procs").write_text(f"{one.pid}\n")
    yield found
    for one in found.values():
        one.kill()
        one.wait()


def test_processes_that_do_not_stop_are_killed(host: Host, process: dict[str, subprocess.Popen[bytes]]) -> None:
    assert host.remove().returncode == 0
    assert {name: alive(one.pid) for name, one in process.items()} == {"ours": False, "pod": False, "other": True}


# Programs that the script calls, and the call at which it is killed.
MOMENTS = {
    "systemctl": "stop kubelet.service",
    "crictl": "rmp --force --all",
    "umount": "/run/netns/cni-1",
    "ip": "link del cni0",
    "nft": "delete table ip kube-proxy",
    "iptables-restore": "--counters",
    "userdel": "a-user-of-ours",
    "find": "/opt/kubernetes -xdev",
    "rm": "-rf",
    "rmdir": "/opt/kubernetes",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_script_may_be_killed_and_run_again(host: Host, moment: str) -> None:
    """The next run starts as the command that removes a host does: only if the script exists."""
    at = host.root / "bin" if moment == "crictl" else host.programs
    before = (at / moment).read_text() if (at / moment).exists() else ""
    usual = shutil.which(moment, path=SYSTEM_PATH)
    rest = before.partition("\n")[2] or (f'exec {usual} "$@"\n' if usual else "")
    # A part of a pipe runs in a shell of its own, which is killed as well.
    host.program(
        moment,
        f'case "$* " in *{MOMENTS[moment]}*) kill -9 "$SCRIPT_PID"; kill -9 "$PPID" ;; esac\n{rest}'.replace(
            f"*{MOMENTS[moment]}*", f"*'{MOMENTS[moment]}'*"
        ),
        at,
    )
    script = host.root / "current/remove.sh"
    command = f"export SCRIPT_PID=$$; test ! -e {script} || exec sh {script} --data"
    assert host.execute(["sh", "-c", command]).returncode == -signal.SIGKILL
    if before:
        (at / moment).write_text(before)
    else:
        host.revive(moment)
    done = host.execute(["sh", "-c", command])
    assert (done.returncode, done.stderr) == (0, "")
    assert host.hosts_own - {"run/hardway.lock"} == set(FOREIGN)


def test_a_host_that_another_run_changes_is_left_alone(host: Host) -> None:
    host.program("flock", "exit 1\n")
    before = host.hosts_own
    done = host.remove("--data")
    assert (done.returncode, "another run holds" in done.stderr) == (1, True)
    assert host.hosts_own == before | {"run/hardway.lock"}
    assert [call for call in host.calls if not call.startswith("flock")] == []


def test_a_host_without_anything_of_ours_is_not_changed(host: Host) -> None:
    assert host.remove("--data").returncode == 0
    done = host.remove("--data")
    assert (done.returncode, done.stderr, host.hosts_own) == (0, "", set(FOREIGN))


def test_names_of_a_network_plugin_come_from_its_releases(host: Host) -> None:
    for release in ("one", "two"):
        rows = "interface cali*\nnftables calico\nchain cali-\ndirectory /run/calico\n"
        (host.root / "releases" / release / "tables/network").write_text(rows)
    for interface in ("cali1", "cali2"):
        (host.sysroot / "sys/class/net" / interface).mkdir()
    host.put({"run/calico/x": ""})
    assert host.remove().returncode == 0
    calls = host.calls
    assert {"ip link del cali1", "ip link del cali2", "nft delete table ip calico"} <= set(calls)
    assert not [call for call in calls if "flannel" in call or "cni0" in call]
    assert not (host.sysroot / "run/calico").exists()
    assert (host.sysroot / "run/flannel").exists()
