"""Folders for temporary files of runs: those of killed runs go, those of other runs that are at work stay."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.operate.foreground import temporary_folder


@pytest.fixture(params=["Linux", "macOS"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no /proc on macOS."""
    exists = Path.exists
    if request.param == "macOS":
        monkeypatch.setattr(Path, "exists", lambda path: not str(path).startswith("/proc") and exists(path))


@pytest.mark.usefixtures("system")
def test_a_run_that_is_at_work_keeps_its_folder(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        working = tmp_path / f"tmp-{other.pid}"
        working.mkdir()
        with temporary_folder(tmp_path) as made:
            assert made.name == f"tmp-{os.getpid()}" and made.stat().st_mode & 0o777 == 0o700
            assert working.is_dir()
        assert not made.exists()
        other.communicate(b"\n")
    with temporary_folder(tmp_path):
        assert not working.exists(), "the run has ended"


def test_a_folder_without_a_process_id_goes(tmp_path: Path) -> None:
    (tmp_path / "tmp-x").mkdir()
    with temporary_folder(tmp_path):
        assert not (tmp_path / "tmp-x").exists()
