"""Who is dialled when the list of nodes changes: nobody, unless somebody has left."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NODES = {
    "cp-1": {"address": "10.0.0.1", "identity": "a", "roles": ["control-plane", "etcd"]},
    "worker-1": {"address": "10.0.0.4", "identity": "d", "roles": ["worker"]},
}
# Answers as OpenSSH's client, and writes down how it was called.
SSH = """\
#!/bin/sh
for last; do :; done
echo "$last" >>"$(dirname "$0")/dialled"
cat "$(dirname "$0")/said" >&2
exit "$(cat "$(dirname "$0")/code")"
"""


@pytest.fixture
def bin_(tmp_path: Path) -> Path:
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    (tmp_path / "code").write_text("0")
    (tmp_path / "said").write_text("")
    return tmp_path


def order(nodes: dict[str, Any]) -> str:
    route = {"host": "127.0.0.1", "port": 20011.0, "user": "root", "host_key": "ssh-ed25519 AAAA\n"}
    return json.dumps(
        {"nodes": nodes, "runner": "cp-1", "route": route, "bastion": None}
        | {"first": "take leave etcd", "later": "take leave all", "privateKey": "the key"}
    )


def run(bin_: Path, nodes: dict[str, Any], last: str | None) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """A run, and what was asked of the runner."""
    around = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}"}
    around.pop("PULUMI_COMMAND_STDOUT", None)
    if last is not None:
        around["PULUMI_COMMAND_STDOUT"] = last
    command = [sys.executable, "-m", "components.departures"]
    done = subprocess.run(
        command, input=order(nodes), env=around, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    dialled = bin_ / "dialled"
    return done, dialled.read_text().splitlines() if dialled.exists() else []


def first(bin_: Path) -> str:
    """What the first run prints."""
    done, dialled = run(bin_, NODES, None)
    assert (done.returncode, dialled) == (0, ["take leave etcd"]), done.stderr
    (bin_ / "dialled").unlink()
    return done.stdout.strip()


def changed(name: str = "", node: dict[str, Any] | None = None) -> dict[str, Any]:
    """The nodes with other values for one of them, or without it."""
    others = {key: value for key, value in NODES.items() if key != name}
    return others | ({name: NODES.get(name, {}) | node} if node else {})


WORKER = {"address": "10.0.0.5", "identity": "e", "roles": ["worker"]}


@pytest.mark.parametrize(
    ("nodes", "asked"),
    [
        (changed(), []),
        (changed("worker-2", WORKER), []),
        (changed("worker-1", {"roles": ["etcd", "worker"]}), []),
        (changed("worker-1"), ["take leave all"]),
        (changed("worker-1") | {"worker-2": WORKER}, ["take leave all"]),
        (changed("worker-1", {"identity": "another"}), ["take leave all"]),
        (changed("worker-1", {"address": "10.0.0.9"}), ["take leave all"]),
        (changed("cp-1", {"roles": ["control-plane"]}), ["take leave all"]),
    ],
    ids=["nothing", "one more", "one more role", "one less", "one for another", "made anew", "moved", "one role less"],
)
def test_the_runner_is_dialled_when_something_has_left(bin_: Path, nodes: dict[str, Any], asked: list[str]) -> None:
    done, dialled = run(bin_, nodes, first(bin_))
    assert (done.returncode, dialled) == (0, asked), done.stderr
    assert json.loads(done.stdout) == nodes
    assert "the key" not in done.stdout + done.stderr


def test_what_an_older_version_printed_is_no_list(bin_: Path) -> None:
    for text in ("", "every node is Ready", "[]", '{"cp-1": 1}'):
        _, dialled = run(bin_, NODES, text)
        assert dialled.pop() == "take leave etcd"


def test_who_may_not_leave_yet_is_said_in_the_words_of_the_runner(bin_: Path) -> None:
    last = first(bin_)
    (bin_ / "code").write_text("1")
    (bin_ / "said").write_text("node worker-1 cannot leave yet.\n")
    done, _ = run(bin_, changed("worker-1"), last)
    # Nothing is printed as the list of nodes, so the next run tries again.
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "node worker-1 cannot leave yet.\n")


def test_a_runner_that_does_not_answer_is_named(bin_: Path) -> None:
    last = first(bin_)
    (bin_ / "code").write_text("255")
    (bin_ / "said").write_text("ssh: connect to host 127.0.0.1 port 20011: Connection refused\n")
    done, _ = run(bin_, changed("worker-1"), last)
    assert done.returncode == 1
    assert done.stderr == (
        "cp-1: cannot be reached at 127.0.0.1:20011: Connection refused. Nobody has left the cluster, and no machine "
        "goes before that\n"
    )
