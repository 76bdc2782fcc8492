"""`make policy-check SNAPSHOTS=1`: the members are asked for the age of the newest snapshot."""

import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from tools.common.paths import Clone
from tools.operate.stack import Stack
from tools.status.snapshots import check

EVERY = 900
NEWLINE = "\\n"
"""For printf."""


class Told(Stack):
    """A stack whose members print these lines."""

    def __init__(self, folder: Path, **lines: str) -> None:
        super().__init__(Clone(folder), "prod")
        object.__setattr__(self, "lines", lines)

    def known_outputs(self) -> dict[str, Any]:
        told = {node: shlex.join(["sh", "-c", text]) for node, text in self.lines.items()}
        return {"status": told | {"worker-1": "false"}} | ({"backup": {"now": told}} if told else {})


def prints(taken: float) -> str:
    """What a member prints that knows a snapshot of this time (0: none): the lines that every machine has, and this."""
    facts = ("release\\tone\\twhole", f"clock\\t{time.time():.0f}", f"snapshot\\t{taken:.0f}\\t{EVERY}")
    return f"printf '{NEWLINE.join(facts)}\\n'"


@pytest.mark.parametrize(
    ("minutes", "code", "said"),
    [
        (4, 0, "the newest is 4 minutes old"),
        (48, 1, "the newest snapshot of etcd is 0.8 h old, and the page wants one every 15 minutes"),
    ],
)
def test_the_newest_snapshot_that_a_member_knows_counts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], minutes: int, code: int, said: str
) -> None:
    now = time.time()
    stack = Told(tmp_path, cp_1=prints(now - 60 * minutes), cp_2=prints(now - 86400))
    assert check(stack) == code
    assert said in "".join(capfd.readouterr())


def test_no_snapshot_at_all_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert check(Told(tmp_path, cp_1=prints(0))) == 1
    assert "there is no snapshot of etcd yet" in "".join(capfd.readouterr())


def test_members_that_do_not_answer_are_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert check(Told(tmp_path, cp_1="echo nobody is here >&2; exit 1")) == 1
    assert "cp_1: nobody is here" in "".join(capfd.readouterr())


def test_a_stack_without_snapshots_is_told_and_is_no_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert check(Told(tmp_path)) == 0
    assert "takes no snapshots of etcd" in "".join(capfd.readouterr())
