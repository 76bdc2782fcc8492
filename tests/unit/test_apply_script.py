"""The script that runs on machines: its functions that need no systemd, in a scratch folder.

The other functions (users, units, health, roll back) need a machine and are tested on machines in tests/e2e.
"""

import hashlib
import io
import json
import shutil
import signal
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from archives import unpack
from clusters import cluster, sha256
from scratch_machine import SYSTEM_PATH, functions

from components.node import scripts


def call(root: Path, commands: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run commands after the functions of both halves of the script, with `root` as its folder on the machine."""
    command = ["sh", "-c", f"{functions('apply', 'stage', 'download')}\n{commands}\n"]
    variables = {"PATH": SYSTEM_PATH, "HARDWAY_ROOT": str(root)} | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=variables)


def lay_out(payload: str, folder: Path) -> Path:
    """Unpack an archive as the stage command does."""
    folder.mkdir(parents=True)
    unpacking = ["sh", "-euc", "base64 -d | tar -xzpf - -C $0", str(folder)]
    subprocess.run(unpacking, input=payload, text=True, check=True, timeout=10)
    return folder


# --- what a change needs -----------------------------------------------------------------------------------------


def changes(tmp_path: Path, old: str, new: str) -> tuple[list[str], list[str]]:
    """Units that the script would restart, and reload, for the step from one archive to another."""
    folders = lay_out(old, tmp_path / "releases/old"), lay_out(new, tmp_path / "releases/new")
    plan = f"restart='' reload=''; plan_changes {folders[0]} {folders[1]}"
    done = call(tmp_path, f'{plan}; echo "$restart"; echo "$reload"')
    assert done.returncode == 0, done.stderr
    restart, reload = done.stdout.split("\n")[:2]
    return restart.split(), reload.split()


def test_no_change_needs_nothing(tmp_path: Path) -> None:
    payload = cluster("stacked").payload("cp-1")
    assert changes(tmp_path, payload, payload) == ([], [])


def test_a_flag_needs_one_restart(tmp_path: Path) -> None:
    new = cluster("stacked", {"extraArgs.kube-scheduler": {"v": 4}})
    old = cluster("stacked").payload("cp-1")
    assert changes(tmp_path, old, new.payload("cp-1")) == (["kube-scheduler.service"], [])


def test_another_api_server_needs_a_reload(tmp_path: Path) -> None:
    new = cluster("stacked", {"nodes[4].roles": ["control-plane"]})
    old = cluster("stacked").payload("worker-1")
    assert changes(tmp_path, old, new.payload("worker-1")) == ([], ["kubernetes-api-proxy.service"])


def test_another_role_starts_the_new_units_in_order(tmp_path: Path) -> None:
    old, new = cluster("stacked"), cluster("stacked", {"nodes[3].roles": ["control-plane", "worker"]})
    restart, reload = changes(tmp_path, old.payload("worker-1"), new.payload("worker-1"))
    # Not the kubelet: a control-plane node that is also a worker has no taint.
    api = [f"kube-{name}.service" for name in ("apiserver", "controller-manager", "scheduler")]
    assert restart == ["etcd-proxy.service", *api]
    assert reload == ["kubernetes-api-proxy.service"]


def test_a_member_is_removed_from_etcd_before_its_unit_is_removed(tmp_path: Path) -> None:
    """If etcd refuses the removal, nothing is switched."""
    old, new = (
        cluster("stacked"),
        cluster("stacked", {"nodes[1].roles": ["control-plane"], "nodes[2].roles": ["worker"]}),
    )
    for release, made in (("old", old), ("new", new)):
        lay_out(made.payload("cp-2"), tmp_path / "releases" / release)
    hook = tmp_path / "releases/old/leave/etcd.service"
    assert hook.read_text() == "/opt/kubernetes/cfg/etcd-member.sh leave\n"
    step = f"run_removal_hooks {tmp_path}/releases/old {tmp_path}/releases"
    hook.write_text("echo leaves\n")
    assert call(tmp_path, f"{step}/new").stdout == "leaves\n"
    assert call(tmp_path, f"{step}/old").stdout == ""
    hook.write_text("exit 1\n")
    refused = call(tmp_path, f"{step}/new")
    assert (refused.returncode, "etcd.service cannot be removed; release old stays active" in refused.stderr) == (
        1,
        True,
    )


def test_a_first_release_starts_everything(tmp_path: Path) -> None:
    new = cluster("one_master")
    folder = lay_out(new.payload("node1"), tmp_path / "releases/new")
    (tmp_path / "none/tables").mkdir(parents=True)
    (tmp_path / "none/tables/units").touch()
    done = call(tmp_path, f'restart=""; plan_changes {tmp_path}/none {folder}; echo "$restart"; units {folder}')
    restart, *units = done.stdout.split("\n")[:-1]
    assert restart.split() == units == [unit.name for unit in new.part("node1").units]


# --- programs ----------------------------------------------------------------------------------------------------


class Mirror(ThreadingHTTPServer):
    """A file server that records the requested paths."""

    asked: list[str]
    daemon_threads = True

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder without a log."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Mirror)
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """A mirror of the folder `mirror`."""
    (tmp_path / "mirror").mkdir()
    with Mirror(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "mirror"))) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def tar_gz(files: dict[str, str]) -> bytes:
    """A compressed archive as projects publish it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.mode = len(text), 4711, 0o644
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def offer(folder: Path, name: str, content: bytes) -> str:
    """Put a file into the mirror; returns its digest."""
    (folder / name).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def fetch(root: Path, rows: list[tuple[str, ...]]) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Let the script fetch the artifacts of a table; returns also the folder of the release."""
    release = root / "releases/.new-test"
    (release / "tables").mkdir(parents=True, exist_ok=True)
    (root / "store").mkdir(exist_ok=True)
    (release / "tables/artifacts").write_text("".join(" ".join(row) + "\n" for row in rows))
    return call(root, f"fetch_artifacts {release}"), release


def test_programs_are_fetched_once_verified_and_linked(tmp_path: Path, mirror: Mirror) -> None:
    folder, root = tmp_path / "mirror", tmp_path / "root"
    single = offer(folder, "kubelet", b"#!/bin/sh\necho kubelet\n")
    archive = offer(folder, "two.tar.gz", tar_gz({"bin/one": "#!/bin/sh\necho one\n", "two": "#!/bin/sh\necho two\n"}))
    rows = [
        (single, "-", f"{mirror.url}/kubelet", "kubelet", "-"),
        (archive, "tar.gz", f"{mirror.url}/two.tar.gz", "one", "bin/one"),
        (archive, "tar.gz", f"{mirror.url}/two.tar.gz", "cni/two", "two"),
    ]
    root.mkdir()
    done, release = fetch(root, rows)
    assert done.returncode == 0, done.stderr
    for name in ("kubelet", "one", "cni/two"):
        ran = subprocess.run([release / "bin" / name], capture_output=True, text=True, check=True)
        assert ran.stdout == f"{Path(name).name}\n"
        assert (release / "bin" / name).is_symlink()
    assert sorted(mirror.asked) == ["/kubelet", "/two.tar.gz"]
    assert sorted(path.name for path in (root / "store").iterdir()) == sorted([single, archive])
    assert not (root / "store" / archive / "file").exists(), "an unpacked archive is kept twice"

    shutil.rmtree(release)
    again, _ = fetch(root, rows)
    assert again.returncode == 0, again.stderr
    assert len(mirror.asked) == 2, "a second release fetches what the store has"


def test_a_file_with_another_digest_is_refused(tmp_path: Path, mirror: Mirror) -> None:
    served = offer(tmp_path / "mirror", "kubelet", b"not what the lock says")
    wanted, root = sha256("what the lock says"), tmp_path / "root"
    root.mkdir()
    done, release = fetch(root, [(wanted, "-", f"{mirror.url}/kubelet", "kubelet", "-")])
    assert done.returncode == 1
    assert f"{mirror.url}/kubelet has the sha256 {served}, the lock says {wanted}" in done.stderr
    assert not (root / "store" / wanted).exists()
    assert not (release / "bin/kubelet").exists()


def test_an_unknown_archive_is_refused(tmp_path: Path, mirror: Mirror) -> None:
    digest, root = offer(tmp_path / "mirror", "a.zip", b"zip"), tmp_path / "root"
    root.mkdir()
    done, _ = fetch(root, [(digest, "zip", f"{mirror.url}/a.zip", "a", "a")])
    assert (done.returncode, "unknown archive type zip" in done.stderr) == (1, True)


def test_the_script_reads_the_table_of_a_payload(tmp_path: Path, mirror: Mirror) -> None:
    """A whole payload with dummy programs: afterwards the machine has every program that units call."""
    made, folder, root = cluster("stacked"), tmp_path / "mirror", tmp_path / "root"
    release = lay_out(made.payload("cp-1", mirror.url), root / "releases/.new-test")
    rows = [line.split() for line in (release / "tables/artifacts").read_text().splitlines()]
    dummies = {}
    for sha, archive, url, _, _ in rows:
        paths = [row[4] for row in rows if row[0] == sha]
        content = tar_gz(dict.fromkeys(paths, url)) if archive == "tar.gz" else url.encode()
        target = folder / url.removeprefix(f"{mirror.url}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        dummies[sha] = hashlib.sha256(content).hexdigest()
    done, _ = fetch(root, [(dummies[sha], *rest) for sha, *rest in rows])
    assert done.returncode == 0, done.stderr
    for unit in made.part("cp-1").units:
        for word in unit.text.split():
            path = word.removeprefix("ExecStart=").removeprefix("/opt/kubernetes/")
            if path.startswith("bin/"):
                assert (release / path).resolve().is_file(), f"{unit.name}: {path}"
    assert {path.name for path in (release / "bin/cni").iterdir()} >= {"bridge", "host-local", "flannel", "portmap"}


def test_missing_programs_of_the_operating_system_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/commands").write_text("sh\nno-such-program\nnor-this-one\n")
    done = call(tmp_path, f"require_commands {tmp_path}")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("these programs are missing on this machine: no-such-program nor-this-one")
    (tmp_path / "tables/commands").write_text("sh\n")
    assert call(tmp_path, f"require_commands {tmp_path}").returncode == 0


def test_a_user_is_recorded_before_it_is_created(tmp_path: Path) -> None:
    """A run that is killed in between leaves no unrecorded user. Users that existed before are not recorded."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/users").write_text("root\nno-such-user\n")
    killed = call(tmp_path, f"useradd() {{ kill -9 $$; }}\ncreate_users {tmp_path}")
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "users").read_text() == "no-such-user\n"


def test_missing_programs_are_installed_if_the_page_wants_that(tmp_path: Path) -> None:
    """With apt-get and Debian's package names. The units of these packages do not start."""
    programs, log = tmp_path / "programs", tmp_path / "log"
    programs.mkdir()
    for name in ("apt-get", "systemctl"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{log}\n')
        (programs / name).chmod(0o755)
    missing = f"missing_commands() {{ grep -qs install {log} || printf ' haproxy nft keepalived modprobe ip curl'; }}"
    path = f"{programs}:{SYSTEM_PATH}"
    done = call(tmp_path, f"{missing}\nrequire_commands {tmp_path} install", PATH=path)
    assert done.returncode == 0, done.stderr
    said = log.read_text().splitlines()
    assert said[:2] == [f"systemctl --quiet --runtime mask {name}.service" for name in ("haproxy", "keepalived")]
    assert said[2].endswith(" update")
    assert said[3].endswith("--no-install-recommends haproxy nftables keepalived kmod iproute2 curl ca-certificates")
    assert said[4:] == [
        f"systemctl --quiet {what} {name}.service"
        for name in ("haproxy", "keepalived")
        for what in ("--runtime unmask", "disable")
    ]


def test_the_interface_of_the_virtual_address_is_found(tmp_path: Path) -> None:
    release = lay_out(cluster("existing").payload("cp-2"), tmp_path / "release")
    ip = 'ip() { [ "$*" = "-o -4 address show to 192.168.10.12" ] && echo "2: ens3    inet 192.168.10.12/24 brd x"; }'
    done = call(tmp_path, f"{ip}\nwrite_facts {release}")
    assert done.returncode == 0, done.stderr
    text = (release / "cfg/keepalived.conf").read_text()
    assert "interface ens3\n" in text
    assert "192.168.10.100/32 dev ens3\n" in text
    lost = lay_out(cluster("existing").payload("cp-2"), tmp_path / "other")
    failed = call(tmp_path, f"ip() {{ :; }}\nwrite_facts {lost}")
    assert failed.returncode == 1
    assert "192.168.10.12 is not an address of this machine" in failed.stderr


# --- facts and switching -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filesystem", "driver", "systemd"), [("cgroup2fs", "systemd", "true"), ("tmpfs", "cgroupfs", "false")]
)
def test_facts_of_the_machine(tmp_path: Path, filesystem: str, driver: str, systemd: str) -> None:
    release = lay_out(cluster("stacked").payload("worker-1"), tmp_path / "release")
    done = call(tmp_path, f"stat() {{ echo {filesystem}; }}\nwrite_facts {release}")
    assert done.returncode == 0, done.stderr
    facts = json.loads((release / "cfg/kubelet.d/10-machine.conf").read_text())
    assert (facts["kind"], facts["cgroupDriver"]) == ("KubeletConfiguration", driver)
    assert facts.get("failCgroupV1") is (None if driver == "systemd" else False)
    toml = (release / "cfg/containerd.toml").read_text()
    assert f"\nSystemdCgroup = {systemd}\n" in toml
    assert "@" not in toml.replace("@sha256:", "")


@pytest.mark.parametrize(
    ("kib", "processors", "node", "cpu", "memory"),
    [
        (2_000_000, 1, "worker-2", "60m", "488Mi"),
        (2_000_000, 2, "cp-2", "70m", "1000Mi"),
        (16 << 20, 4, "worker-2", "80m", "2662Mi"),
        (256 << 20, 64, "worker-2", "230m", "12165Mi"),
    ],
)
def test_a_machine_keeps_a_part_of_itself_from_its_pods(
    tmp_path: Path, kib: int, processors: int, node: str, cpu: str, memory: str
) -> None:
    """A quarter of the first 4 GiB, a fifth of the next 4 GiB and so on; 512 MiB more for etcd and API servers."""
    release = lay_out(cluster("dedicated_etcd").payload(node), tmp_path / "release")
    (tmp_path / "proc").mkdir(exist_ok=True)
    (tmp_path / "proc/meminfo").write_text(f"MemTotal:       {kib} kB\nMemFree: 1 kB\n")
    done = call(tmp_path, f"getconf() {{ echo {processors}; }}\nsysroot={tmp_path}\nwrite_facts {release}")
    assert done.returncode == 0, done.stderr
    reserved = json.loads((release / "cfg/kubelet.d/20-reserved.conf").read_text())
    assert (reserved["kind"], reserved["kubeReserved"]) == ("KubeletConfiguration", {"cpu": cpu, "memory": memory})


def test_a_machine_without_kubelet_needs_no_facts(tmp_path: Path) -> None:
    release = lay_out(cluster("dedicated_etcd").payload("etcd-1"), tmp_path / "release")
    assert call(tmp_path, f"write_facts {release}").returncode == 0
    assert not (release / "cfg/kubelet.d").exists()


def test_switching_is_one_link(tmp_path: Path) -> None:
    for digest in ("aaa", "bbb"):
        (tmp_path / "releases" / digest).mkdir(parents=True)
    done = call(tmp_path, "current; switch aaa; current; switch bbb; current; switch bbb; current")
    assert (done.returncode, done.stdout.split()) == (0, ["aaa", "bbb", "bbb"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current", "releases"]
    assert [*(tmp_path / "releases/aaa").iterdir()] == []


@pytest.mark.parametrize(("asks", "said"), [(1, False), (2, False), (3, True), (6, True)])
def test_a_unit_that_is_not_healthy_at_once_is_named_once(tmp_path: Path, asks: int, said: bool) -> None:
    """Whoever watches a run reads what the machine waits for."""
    health = tmp_path / "current/health/etcd.service"
    health.parent.mkdir(parents=True)
    health.write_text(f"echo x >>{tmp_path}/asked; test $(wc -l <{tmp_path}/asked) -ge {asks}\n")
    stubs = "hostname() { echo cp-1; }; lacks_only_space() { false; }; before_deadline() { true; }"
    done = call(tmp_path, f"{stubs}; systemctl() {{ echo 0; }}; sleep() {{ :; }}; back=; wait_healthy etcd.service")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("cp-1: waits for etcd.service\n" if said else "")


def test_the_script_knows_every_table(tmp_path: Path) -> None:
    text = "".join(map(scripts.text, scripts.TRAVELLING))
    tables = {path for path in unpack(cluster("stacked").payload("cp-1")) if path.startswith("tables/")}
    assert len(tables) == 9
    assert not [table for table in tables if table not in text]
