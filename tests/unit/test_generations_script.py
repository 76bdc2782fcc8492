"""Scripts of a rotation: which steps a machine refuses, which credential a kubelet uses, and what a machine keeps."""

import subprocess
from pathlib import Path

import pytest
from scratch_machine import ReleaseMachine, ScratchMachine

from components.node import scripts


@pytest.fixture
def machine(tmp_path: Path) -> ScratchMachine:
    """A machine with the folders that a kubelet uses."""
    made = ScratchMachine(tmp_path)
    (made.root / "ssl/kubelet").mkdir(parents=True)
    (made.root / "cfg").mkdir()
    (made.sysroot / "var/lib/kubelet/pki").mkdir(parents=True)
    return made


# --- steps ---------------------------------------------------------------------------------------------------------


def step(machine: ScratchMachine, old: str | None, new: str | None) -> subprocess.CompletedProcess[str]:
    """The step from a release with the table `old` to a release with the table `new`. None: there is no table."""
    folders = []
    for name, table in (("old", old), ("new", new)):
        folder = machine.root / name / "cfg"
        folder.mkdir(parents=True)
        if table is not None:
            (folder / "generations").write_text(table)
        folders.append(str(folder.parent))
    return machine.call(["generations"], f'fail() {{ echo "$*" >&2; exit 1; }}; refuse_rotation {" ".join(folders)}')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("etcd 1 1\n", "etcd 1 1 2\n"),
        ("etcd 1 1 2\n", "etcd 2 1 2\n"),
        ("etcd 2 1 2\n", "etcd 1 1 2\n"),
        ("etcd 2 1 2\n", "etcd 2 2\n"),
        ("etcd 1 1 2\n", "etcd 1 1\n"),
        (None, "etcd 1 1 2\n"),
        ("etcd 10 10\n", "etcd 10 10 11\n"),
        # The node gets another role, and with the role the generations of another key.
        ("kubernetes 1 1\n", "kubernetes 1 1\netcd 5 5\n"),
        ("etcd 2 2\n", None),
    ],
)
def test_steps_in_order(machine: ScratchMachine, old: str | None, new: str | None) -> None:
    done = step(machine, old, new)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("etcd 1 1\n", "etcd 2 1 2\n", "generation 2 of the key etcd cannot be used: this machine trusts 1 so far"),
        (None, "etcd 2 1 2\n", "generation 2 of the key etcd cannot be used: this machine trusts 1 so far"),
        (
            "etcd 1 1 2\n",
            "etcd 2 2\n",
            "generation 1 of the key etcd is in use on this machine and has to stay trusted",
        ),
        ("etcd 10 10\n", "etcd 1 1 10\n", "generation 1 of the key etcd cannot be used"),
        ("kubernetes 2 2\netcd 1 1\n", "kubernetes 2 2\netcd 2 2\n", "of the key etcd"),
    ],
)
def test_steps_out_of_order(machine: ScratchMachine, old: str | None, new: str, said: str) -> None:
    done = step(machine, old, new)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.rstrip().endswith("Nothing was changed")


# --- the credential of a kubelet that requests a certificate -------------------------------------------------------


class Joining:
    """A node whose kubelet will start: `now` and the `end` of its token are in seconds since 1970."""

    def __init__(self, machine: ScratchMachine, now: int, end: int) -> None:
        self.machine = machine
        (machine.root / "ssl/kubelet/bootstrap-token").write_text("abcdef.0123456789abcdef")
        (machine.root / "ssl/kubelet/bootstrap-token-end").write_text(f"{end}\n")
        (machine.root / "cfg/api-servers").write_text("10.0.0.1:6443\n10.0.0.2:6443\n")
        machine.program("date", f"echo {now}\n")
        machine.program("sleep")

    def answers(self, *codes: str) -> None:
        """Let API servers answer with these HTTP status codes, one after the other."""
        queue = self.machine.folder / "answers"
        queue.write_text("".join(f"{code}\n" for code in codes))
        self.machine.program("curl", f"cat >/dev/null; head -n 1 {queue} | tr -d '\\n'; sed -i 1d {queue}\n")

    def chosen(self) -> str:
        """The kubeconfig that the script chooses."""
        done = self.machine.run("kubelet_credential")
        assert done.returncode == 0, done.stderr
        return (self.machine.sysroot / "run/hardway/kubelet-bootstrap.kubeconfig").readlink().name


def test_a_node_that_joins_waits_until_every_api_server_knows_its_token(machine: ScratchMachine) -> None:
    joining = Joining(machine, now=100, end=3700)
    # In the first two rounds a server does not know the token yet. In the last round the first server does not answer.
    joining.answers("200", "401", "401", "000", "200", "surplus")
    assert joining.chosen() == "kubelet-token.kubeconfig"
    assert (machine.folder / "answers").read_text() == "surplus\n"
    assert not any("abcdef" in call for call in machine.calls)


def test_after_the_end_of_its_token_a_node_joins_as_itself(machine: ScratchMachine) -> None:
    joining = Joining(machine, now=3700, end=3700)
    joining.answers()
    assert joining.chosen() == "kubelet-identity.kubeconfig"
    assert not [call for call in machine.calls if call.startswith("curl")]


# Versions before record 75 put the certificate aside in a rotation. A killed run of theirs may have left it there.
@pytest.mark.parametrize("left", ["kubelet-client-current.pem", "kubelet-client-current.pem.before"])
def test_a_node_that_has_joined_asks_as_itself(machine: ScratchMachine, left: str) -> None:
    joining = Joining(machine, now=100, end=3700)
    joining.answers("200", "200")
    pki = machine.sysroot / "var/lib/kubelet/pki"
    (pki / "kubelet-client-1.pem").touch()
    (pki / left).symlink_to("kubelet-client-1.pem")
    assert joining.chosen() == "kubelet-identity.kubeconfig"


def test_the_scripts_travel_beside_the_release() -> None:
    assert {"generations", "kubelet_renew", "settle"} <= set(scripts.TRAVELLING)


# --- what a machine keeps ------------------------------------------------------------------------------------------


def kept(folder: Path, files: dict[str, list[str]], generations: dict[str, str]) -> set[str]:
    """Releases on a machine after the activation of `now`, each with its files in `ssl` and its generations."""
    machine = ReleaseMachine(folder)
    for name, paths in files.items():
        release = machine.release(name, {"a.service": f"{name} 1"})
        (release / "cfg").mkdir()
        (release / "cfg/generations").write_text(generations.get(name, "kubernetes 1 1\n"))
        for path in paths:
            (release / "ssl" / path).parent.mkdir(parents=True, exist_ok=True)
            (release / "ssl" / path).touch()
    machine.runs("before")
    done = machine.apply("activate", "now")
    assert done.returncode == 0, done.stderr
    return {path.name for path in (machine.root / "releases").iterdir()}


def test_releases_with_the_same_keys_are_kept(tmp_path: Path) -> None:
    same = ["kubelet/server.key"]
    assert kept(tmp_path, {"before": same, "now": same}, {}) == {"before", "now"}


def test_keys_of_a_role_that_the_machine_lost_are_gone(tmp_path: Path) -> None:
    files = {
        "before": ["kubelet/server.key", "kube-controller-manager/kubernetes-ca.key"],
        "now": ["kubelet/server.key"],
    }
    assert kept(tmp_path, files, {}) == {"now"}


@pytest.mark.parametrize(("unit", "stays"), [("kubelet.service", True), ("etcd.service", False)])
def test_the_certificate_of_the_kubelet_goes_with_the_kubelet(tmp_path: Path, unit: str, stays: bool) -> None:
    machine = ReleaseMachine(tmp_path)
    pki = machine.sysroot / "var/lib/kubelet/pki"
    pki.mkdir(parents=True)
    (pki / "kubelet-client-current.pem").write_text("certificate and key")
    machine.release("before", {"kubelet.service": "kubelet 1", "etcd.service": "etcd 1"})
    machine.release("now", {unit: "unit 1"})
    machine.runs("before")
    done = machine.apply("activate", "now")
    assert done.returncode == 0, done.stderr
    assert pki.exists() == stays


def test_keys_of_a_generation_that_is_given_up_are_gone(tmp_path: Path) -> None:
    """A release that uses a generation that is still trusted is kept: the step can be taken back."""
    files = {"older": ["a.key"], "before": ["a.key"], "now": ["a.key"]}
    steps = {"older": "kubernetes 1 1 2\n", "before": "kubernetes 2 1 2\n", "now": "kubernetes 2 2\n"}
    assert kept(tmp_path, files, steps) == {"before", "now"}


def test_encryption_keys_that_are_given_up_are_gone(tmp_path: Path) -> None:
    """A release holds every encryption key that it trusts, so also the release that uses the key of now."""
    files = {"older": ["a.key"], "before": ["a.key"], "now": ["a.key"]}
    steps = {"older": "encryption 2 2\n", "before": "encryption 2 1 2\n", "now": "encryption 2 2\n"}
    assert kept(tmp_path, files, steps) == {"older", "now"}
