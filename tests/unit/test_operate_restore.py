"""`make restore`: the edit of the page, and which machines are made anew."""

import contextlib
import hashlib
import json
import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.common.errors import ToolError
from tools.common.paths import Clone, shared_cache
from tools.operate.restore import restore, with_restore
from tools.operate.stack import Stack

KUBECTL = sorted((shared_cache() / "store").glob("kubectl-*/kubectl"))
PAGE = """\
# The production cluster.
config:
  # Comments stay.
  hardway:cluster: {name: prod}
  hardway:nodes:
    - {name: a, roles: [etcd, control-plane]}  # the first
"""
WITH = PAGE + "  hardway:restore: {number: 3, snapshot: latest} # the fire of May\n  aws:region: x\n"


@pytest.mark.parametrize("text", [PAGE, WITH])
def test_only_the_restore_changes(text: str) -> None:
    edited = with_restore(text, 4, "12345678", "Pulumi.prod.yaml")
    config = yaml.safe_load(edited)["config"]
    assert config["hardway:restore"] == {"number": 4, "snapshot": "12345678"}, "the id is a string, not a number"
    assert {**config, "hardway:restore": 0} == {**yaml.safe_load(text)["config"], "hardway:restore": 0}
    assert [line for line in text.splitlines() if "restore" not in line] == [
        line for line in edited.splitlines() if "restore" not in line
    ]
    assert edited.count("#") == text.count("#")


def test_a_page_that_cannot_be_edited_says_what_to_write() -> None:
    with pytest.raises(ToolError, match=r'hardway:restore: \{number: 1, snapshot: "latest"\}'):
        with_restore("config: {hardway:cluster: {name: prod}}\n", 1, "latest", "Pulumi.prod.yaml")


class Operated(Stack):
    """A stack with the output `restored`, whose `up` records its arguments and does nothing."""

    def __init__(self, clone: Clone, restored: int | None, stopped_for: int = 0) -> None:
        super().__init__(clone, "prod")
        object.__setattr__(self, "stopped_for", stopped_for)
        object.__setattr__(self, "runs", [])
        object.__setattr__(self, "restored", restored)

    def up(self, arguments: Sequence[str] = (), *, asks_policies: bool = True) -> int:
        self.runs.append(list(arguments))
        return 0

    def known_outputs(self) -> dict[str, Any]:
        known = {} if self.restored is None else {"restored": self.restored}
        return {"backup": {"give": {"cp-1": "false"}}} | known

    def state(self) -> dict[str, Any]:
        stop = {"create": f"sh -c 'sh \"$(ls)restore.sh\" begin {self.stopped_for}'"}
        return {
            "resources": [
                {"urn": "urn:x::cp-1-machine", "type": "command:local:Command"},
                {"urn": "urn:x::cp-1-restore", "type": "command:remote:Command", "inputs": stop},
            ]
        }


BACKUP = "  hardway:backup: {to: {kind: folder, path: /mnt/snapshots}}\n"


@pytest.mark.parametrize(
    ("on_page", "restored", "stopped_for", "answers", "snapshot", "machines", "number"),
    [
        (None, 0, 0, False, "latest", "", 1),
        (3, 3, 3, False, "latest", "", 4),
        # Killed after the stop: the same restore goes on, and the data from before it stays.
        (4, 3, 4, False, "latest", "", 4),
        # Killed before the stop, perhaps days ago: there may be a newer snapshot.
        (4, 3, 3, False, "latest", "", 5),
        # The first member has restored, and people write again: who confirms wants to go back once more.
        (4, 3, 4, True, "latest", "", 5),
        # Another snapshot, or new machines: the state has recorded the machine that restores for number 4.
        (4, 3, 4, False, "12345678", "", 5),
        (4, 3, 4, False, "latest", "all", 5),
        # Taken off the page: machines would take a number that they know for a restore that has happened.
        (None, 7, 7, False, "latest", "", 8),
        # An earlier version of the program made the stack last.
        (4, None, 4, False, "latest", "", 5),
    ],
)
def test_the_number_of_a_restore(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_page: int | None,
    restored: int | None,
    stopped_for: int,
    answers: bool,
    snapshot: str,
    machines: str,
    number: int,
) -> None:
    monkeypatch.setattr("tools.operate.restore._answers", lambda _: answers)
    section = f"  hardway:restore: {{number: {on_page}, snapshot: latest}}\n" if on_page else ""
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(PAGE + BACKUP + section)
    stack = Operated(Clone(tmp_path), restored, stopped_for)
    assert restore(stack, snapshot, machines, "prod") == 0
    assert yaml.safe_load(path.read_text())["config"]["hardway:restore"] == {"number": number, "snapshot": snapshot}
    assert stack.runs[1:] == [["--refresh"]]


def test_an_api_that_answers_after_a_killed_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the way that loses nothing more."""
    monkeypatch.setattr("tools.operate.restore._answers", lambda _: True)
    path = tmp_path / "Pulumi.prod.yaml"
    text = PAGE + BACKUP + "  hardway:restore: {number: 4, snapshot: latest}\n"
    path.write_text(text)
    stack = Operated(Clone(tmp_path), 3)
    with pytest.raises(
        ToolError, match="Restore 4, which is on the page, is not complete: `make up STACK=prod` goes on"
    ):
        restore(stack, "latest")
    assert (path.read_text(), stack.runs) == (text, [])


@pytest.mark.parametrize(
    ("page", "arguments", "said"),
    [
        (PAGE, ("latest",), "there is no hardway:backup, so there are no snapshots"),
        (
            PAGE + BACKUP,
            ("no-such-file.tar",),
            "SNAPSHOT=no-such-file.tar: there is no such file; allowed: latest, the id",
        ),
        (PAGE + BACKUP, ("latest", "cp-7"), "no machine 'cp-7'"),
        (PAGE + BACKUP, ("latest",), "the API of stack prod answers. A restore loses everything"),
        (PAGE + BACKUP, ("latest", "", "dev"), "the API of stack prod answers"),
    ],
    ids=["no backup", "no file", "unknown machine", "a majority is there", "another stack confirmed"],
)
def test_what_is_refused_before_anything_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr("tools.operate.restore._answers", lambda _: True)
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(page)
    stack = Operated(Clone(tmp_path), 0)
    with pytest.raises(ToolError, match=re.escape(said)):
        restore(stack, *arguments)
    assert (path.read_text(), stack.runs) == (page, [])


@pytest.mark.parametrize(
    ("machines", "said"),
    [
        ("all", "MACHINES=all: the machine cp-1, which restores, does not have the file"),
        ("cp-1", "MACHINES=cp-1: the machine cp-1, which restores, does not have the file"),
        ("", "the connection was cut"),
    ],
    ids=["all machines are new", "the machine that restores is new", "the file does not arrive"],
)
def test_a_file_that_cannot_reach_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machines: str, said: str
) -> None:
    monkeypatch.setattr("tools.operate.restore._answers", lambda _: False)
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(PAGE + BACKUP)
    (tmp_path / "etcd.db").touch()
    (tmp_path / "metadata").write_text(f"format 1\ncluster c\nsha256 {hashlib.sha256().hexdigest()}\n")
    stack = Operated(Clone(tmp_path), 0)
    with pytest.raises(ToolError, match=re.escape(said)):
        restore(stack, str(tmp_path / "etcd.db"), machines)
    assert (path.read_text(), stack.runs) == (PAGE + BACKUP, [])


@pytest.mark.skipif(not KUBECTL, reason="no kubectl here: run `make tools`")
def test_an_api_that_accepts_and_says_nothing_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As API servers without etcd. Before it asks for an object, kubectl asks five times what the API has, 5 s each."""
    monkeypatch.setenv("PATH", f"{KUBECTL[-1].parent}:{os.environ['PATH']}")
    monkeypatch.setattr("tools.operate.restore._REQUEST_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0), backlog=20) as server:
        stack = Operated(Clone(tmp_path), 0)
        stack.clone.kubeconfig("prod").parent.mkdir(parents=True)
        cluster = {"server": f"https://127.0.0.1:{server.getsockname()[1]}", "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        stack.clone.kubeconfig("prod").write_text(json.dumps(config))
        (tmp_path / "Pulumi.prod.yaml").write_text(PAGE + BACKUP)
        assert restore(stack, "latest") == 0
        server.settimeout(0.2)
        connections = 0
        with contextlib.suppress(TimeoutError):
            while True:
                server.accept()[0].close()
                connections += 1
    assert connections == 1
