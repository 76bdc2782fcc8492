"""Which steps from one release to the next a machine refuses, and which steps need a drain."""

import subprocess
from pathlib import Path

import pytest

from components.node import scripts

STUBS = 'fail() { echo "cp-1: $*" >&2; exit 1; }\n'


def step(tmp_path: Path, command: str, old: dict[str, str], new: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a function of the script for the step from one set of versions to another."""
    for name, versions in (("old", old), ("new", new)):
        (tmp_path / name / "tables").mkdir(parents=True)
        rows = "".join(f"{program} {version}\n" for program, version in versions.items())
        (tmp_path / name / "tables/versions").write_text(rows)
    script = f"set -eu\n{STUBS}{scripts.text('versions')}\n{command} {tmp_path}/old {tmp_path}/new"
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=10, check=False)


def versions(kubernetes: str, etcd: str = "3.7.3", kubelet: str = "") -> dict[str, str]:
    """The versions on a control-plane node."""
    return {"kube-apiserver": kubernetes, "etcd": etcd, "kubelet": kubelet or kubernetes, "runc": "1.5.2"}


ALLOWED = [
    (versions("1.36.4"), versions("1.37.1")),
    (versions("1.36.4"), versions("1.36.9")),
    (versions("1.37.1"), versions("1.37.0")),
    (versions("1.9.12"), versions("1.10.0")),
    (versions("1.37.1", "3.6.9"), versions("1.37.1", "3.7.3")),
    (versions("1.37.1", "3.7.3-rc.1"), versions("1.37.1", "3.7.3")),
    (versions("1.37.1", kubelet="1.34.4"), versions("1.37.1")),
    ({"kubelet": "1.34.4"}, {"kubelet": "1.37.1"}),
    # Another role, or a release from before the table existed.
    ({"kubelet": "1.37.1"}, versions("1.37.1")),
    ({}, versions("1.34.0")),
]
REFUSED = {
    "Kubernetes 1.37.1 -> 1.36.4 is a downgrade; allowed from 1.37.1: 1.37.x and 1.38.x": (
        versions("1.37.1"),
        versions("1.36.4"),
    ),
    "Kubernetes 1.35.4 -> 1.37.1 skips a minor version; allowed from 1.35.4: 1.35.x and 1.36.x": (
        versions("1.35.4"),
        versions("1.37.1"),
    ),
    "Kubernetes 1.37.1 -> 2.0.0 skips a minor version; allowed from 1.37.1: 1.37.x and 1.38.x": (
        versions("1.37.1"),
        versions("2.0.0"),
    ),
    "etcd 3.7.3 -> 3.6.9 is a downgrade; allowed from 3.7.3: 3.7.x and 3.8.x": (
        versions("1.37.1"),
        versions("1.37.1", "3.6.9"),
    ),
    "etcd 3.5.21 -> 3.7.3 skips a minor version; allowed from 3.5.21: 3.5.x and 3.6.x": (
        versions("1.37.1", "3.5.21"),
        versions("1.37.1"),
    ),
    "etcd 3.10.0 -> 3.9.0 is a downgrade; allowed from 3.10.0: 3.10.x and 3.11.x": (
        versions("1.37.1", "3.10.0"),
        versions("1.37.1", "3.9.0"),
    ),
    "kubelet 1.37.1 -> 1.36.4 is a downgrade; allowed from 1.37.1: 1.37.x or newer": (
        {"kubelet": "1.37.1"},
        {"kubelet": "1.36.4"},
    ),
}


@pytest.mark.parametrize(("old", "new"), ALLOWED)
def test_allowed_steps(tmp_path: Path, old: dict[str, str], new: dict[str, str]) -> None:
    done = step(tmp_path, "refuse_steps", old, new)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("message", REFUSED)
def test_a_refused_step_names_both_versions_and_the_allowed_ones(tmp_path: Path, message: str) -> None:
    done = step(tmp_path, "refuse_steps", *REFUSED[message])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"cp-1: {message}. Nothing was changed\n"


@pytest.mark.parametrize(
    ("old", "new", "needed"),
    [
        ({"kubelet": "1.36.4"}, {"kubelet": "1.37.1"}, True),
        ({"kubelet": "1.36.4"}, {"kubelet": "1.36.5"}, False),
        ({"kubelet": "1.37.1", "containerd": "2.3.7"}, {"kubelet": "1.37.1", "containerd": "2.4.2"}, False),
        ({"etcd": "3.6.9"}, {"etcd": "3.7.3"}, False),
        ({}, {"kubelet": "1.37.1"}, False),
    ],
)
def test_another_minor_version_of_the_kubelet_needs_a_drain(
    tmp_path: Path, old: dict[str, str], new: dict[str, str], needed: bool
) -> None:
    assert (step(tmp_path, "needs_drain", old, new).returncode == 0) is needed
