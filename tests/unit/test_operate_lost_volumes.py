"""Before machines in AWS are replaced, the state forgets their data volumes that are gone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.operate.replace import replace
from tools.operate.restore import restore
from tools.operate.stack import Stack

MEMBERS = ("cp-1", "cp-2", "cp-3")
PREFIX = "urn:pulumi:prod::hardway::"
PAGE = "config:\n  hardway:backup: {to: {kind: folder, path: /mnt/snapshots}}\n"
KUBECTL = '#!/bin/sh\ncase "$*" in *"get node"*) echo \'{"spec": {}, "status": {}}\' ;; *) exit 1 ;; esac\n'
VOLUME, ATTACHMENT = "aws:ebs/volume:Volume", "aws:ec2/volumeAttachment:VolumeAttachment"
INSTANCE = "aws:ec2/instance:Instance"


class InAws(Stack):
    """A stack in AWS that records its runs, which do nothing. A refresh finds that volumes in `gone` do not exist."""

    def __init__(
        self, folder: Path, members: Sequence[str] = MEMBERS, gone: Sequence[str] = (), refreshed: int = 0
    ) -> None:
        super().__init__(Clone(folder), "prod")
        self.clone.page("prod").write_text(PAGE)
        for name, value in {"members": members, "gone": gone, "refreshed": refreshed, "runs": []}.items():
            object.__setattr__(self, name, value)

    members: Sequence[str]
    gone: Sequence[str]
    refreshed: int
    protected: bool = False
    runs: list[tuple[str, ...]]

    def state(self) -> dict[str, Any]:
        nodes = {name: {"roles": ["etcd", "control-plane"]} for name in self.members}
        names = [(INSTANCE, f"{name}-machine") for name in (*self.members, "worker-1", "bastion")]
        kept = [name for name in self.members if name not in self.gone or not self.runs]
        names += [(kind, f"{name}-data") for kind in (VOLUME, ATTACHMENT) for name in kept]
        made: list[dict[str, Any]] = [{"urn": f"{PREFIX}{kind}::{name}", "type": kind} for kind, name in names]
        for one in made:
            one["protect"] = self.protected and one["urn"].endswith(tuple(f"{name}-machine" for name in self.members))
        known = {
            "urn": f"{PREFIX}pulumi:pulumi:Stack::hardway-prod",
            "type": "pulumi:pulumi:Stack",
            "outputs": {"nodes": nodes},
        }
        return {"resources": [known, *made]}

    def known_outputs(self) -> dict[str, Any]:
        return {"restored": 0}

    def refresh(self, urns: Sequence[str]) -> int:
        self.runs.append(("refresh", *(urn.rpartition("::")[2] for urn in urns)))
        return self.refreshed

    def judge(self, arguments: Sequence[str] = ()) -> int:
        return 0

    def up(self, arguments: Sequence[str] = (), *, asks_policies: bool = True) -> int:
        self.runs.append(("up", *(argument.rpartition("::")[2] for argument in arguments)))
        return 1


@pytest.fixture(autouse=True)
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubectl for an API that does not answer."""
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("machines", "asked", "replaced"),
    [
        ("cp-2", ["cp-2-data"] * 2, ["cp-2-machine"]),
        ("cp-2,worker-1", ["cp-2-data"] * 2, ["cp-2-machine", "worker-1-machine"]),
        (
            "all",
            [f"{name}-data" for name in (*MEMBERS, *MEMBERS)],
            [f"{name}-machine" for name in (*MEMBERS, "worker-1", "bastion")],
        ),
    ],
)
def test_a_restore_asks_for_the_volumes_of_the_machines(
    tmp_path: Path, machines: str, asked: list[str], replaced: list[str]
) -> None:
    stack = InAws(tmp_path, gone=MEMBERS)
    restore(stack, "latest", machines)
    arguments = [word for name in replaced for word in ("--replace", name)]
    assert stack.runs == [("refresh", *asked), ("up", *arguments)]


@pytest.mark.parametrize("machines", ["", "worker-1"])
def test_machines_without_data_need_no_question(tmp_path: Path, machines: str) -> None:
    stack = InAws(tmp_path)
    restore(stack, "latest", machines)
    assert [run[0] for run in stack.runs] == ["up"]


def test_without_an_answer_no_restore_begins(tmp_path: Path) -> None:
    stack = InAws(tmp_path, refreshed=255)
    with pytest.raises(ToolError, match="AWS does not say which data volumes of stack prod exist; no machine"):
        restore(stack, "latest", "cp-1")
    assert [run[0] for run in stack.runs] == ["refresh"]
    assert stack.clone.page("prod").read_text() == PAGE


def test_what_is_refused_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.operate.restore._answers", lambda _: True)
    stack = InAws(tmp_path)
    with pytest.raises(ToolError, match="the API of stack prod answers"):
        restore(stack, "latest", "cp-1")
    assert stack.runs == []


def test_replace_asks_too(tmp_path: Path) -> None:
    stack = InAws(tmp_path, gone=["cp-2"])
    assert replace(stack, "cp-2") == 1
    assert stack.runs == [("refresh", "cp-2-data", "cp-2-data"), ("up", "--replace", "cp-2-machine")]


def test_the_only_member_is_not_replaced_if_its_volume_is_gone(tmp_path: Path) -> None:
    """The new machine would begin an empty cluster. As long as the volume exists, the new machine gets it."""
    assert replace(InAws(tmp_path, ["cp-1"]), "cp-1") == 1
    stack = InAws(tmp_path, ["cp-1"], gone=["cp-1"])
    with pytest.raises(ToolError, match=r"cp-1 is the only member of etcd.* restore a snapshot: docs/backup\.md"):
        replace(stack, "cp-1")
    assert [run[0] for run in stack.runs] == ["refresh"]


@pytest.mark.parametrize("machines", ["", "  hardway:machines: {provider: aws, protected: true}\n"])
def test_protected_machines_are_named_before_anything_happens(tmp_path: Path, machines: str) -> None:
    """Pulumi would refuse each of them, after the page has the restore and after the node is drained."""
    stack = InAws(tmp_path)
    object.__setattr__(stack, "protected", True)
    stack.clone.page("prod").write_text(PAGE + machines)
    with pytest.raises(
        ToolError, match=r"nothing was changed: cp-1, cp-3\. .* set hardway:machines\.protected to false"
    ):
        restore(stack, "latest", "cp-3,worker-1,cp-1")
    with pytest.raises(ToolError, match=r"nothing was changed: cp-2\. "):
        replace(stack, "cp-2")
    assert (stack.runs, stack.clone.page("prod").read_text()) == ([], PAGE + machines)


def test_machines_that_the_page_protects_no_more_are_made_anew(tmp_path: Path) -> None:
    """Pulumi looks at the new and the old value."""
    stack = InAws(tmp_path)
    object.__setattr__(stack, "protected", True)
    stack.clone.page("prod").write_text(PAGE + "  hardway:machines: {provider: aws, protected: false}\n")
    restore(stack, "latest", "cp-3")
    assert replace(stack, "cp-2") == 1
    assert [run[-1] for run in stack.runs] == ["cp-3-data", "cp-3-machine", "cp-2-data", "cp-2-machine"]
