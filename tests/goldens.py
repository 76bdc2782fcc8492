"""Goldens: expected texts as files in tests/data/goldens, compared whole.

A test module has a folder there, cases (file name -> function that computes the text), and one test over
`names(folder, cases)` that calls `check`. The test fails if a file is missing, differs, or belongs to no case.
To write all goldens again:

    UPDATE_GOLDENS=1 python -m pytest tests/unit

Then review the change like code (`git diff tests/data/goldens`): these files will be on the machines.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "data" / "goldens"
VARIABLE = "UPDATE_GOLDENS"
COMMAND = f"{VARIABLE}=1 python -m pytest tests/unit"

Cases = Mapping[str, Callable[[], str]]


def names(folder: Path, cases: Cases) -> list[str]:
    """Names of all cases, and of all files without a case. Each is one test."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted({*cases, *files})


def check(folder: Path, name: str, cases: Cases) -> None:
    """Compare the text of a case with its file, or write the file if UPDATE_GOLDENS is set."""
    path = folder / name
    text = cases[name]() if name in cases else None
    if os.environ.get(VARIABLE):
        _write(path, text)
    elif text is None:
        pytest.fail(f"{path}: left over, no case gives it; {COMMAND} removes it", pytrace=False)
    elif not path.exists():
        pytest.fail(f"{path}: missing; {COMMAND} writes it", pytrace=False)
    elif path.read_text() != text:
        pytest.fail(f"{_difference(path, text)}\nIf that is what is wanted: {COMMAND}", pytrace=False)


def _write(path: Path, text: str | None) -> None:
    before = path.read_text() if path.exists() else None
    if before == text:
        return
    if text is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    # Skipped, because a run that writes its expectations has tested nothing.
    pytest.skip("removed" if text is None else "written")


def _difference(path: Path, text: str) -> str:
    lines = difflib.unified_diff(
        path.read_text().splitlines(), text.splitlines(), f"golden {path.name}", "now", lineterm=""
    )
    return "\n".join(lines) or "they differ in line ends only"
