"""`make backup`: which members are asked."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.operate.snapshots import PLACE_TAKES_NOTHING, take
from tools.operate.stack import Stack


class Answering(Stack):
    """A stack whose first member fails with this exit status. The second one would succeed."""

    def __init__(self, folder: Path, status: int) -> None:
        super().__init__(Clone(folder), "prod")
        object.__setattr__(self, "status", status)

    def known_outputs(self) -> dict[str, Any]:
        fails = shlex.join(["sh", "-c", f"echo it fails >&2; exit {self.status}"])
        return {"backup": {"now": {"cp-1": fails, "cp-2": "echo taken"}}}

    def keeps_state_here(self) -> bool:
        return False


def test_another_member_is_asked_if_one_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert take(Answering(tmp_path, 1)) == 0
    assert capsys.readouterr().out == "taken\n"


def test_a_place_that_is_full_is_full_for_all_members(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tool restic tries for minutes before it says so, and each member would."""
    with pytest.raises(ToolError, match="no member"):
        take(Answering(tmp_path, PLACE_TAKES_NOTHING))
    assert capsys.readouterr().out == ""
