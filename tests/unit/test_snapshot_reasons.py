"""Why restic failed: the sentence that an operator reads (snapshots.sh, `because`)."""

import subprocess
from pathlib import Path

import pytest

from components.node import scripts

_RETRY = "Save(<lock/4a62c826eb>) returned error, retrying after 1.3s: client.PutObject: No space left on device.\n"


def because(errors: Path) -> str:
    """What the function prints about this output of restic."""
    text = scripts.text("snapshots")
    function = text[text.index("because() {") : text.index('# A line "TIME ID"')]
    command = ["sh", "-c", f'{function}\nbecause "$1"', "sh", str(errors)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Fatal: wrong\n", "wrong"),
        (f"{_RETRY}Fatal: no lock\n", "no lock: client.PutObject: No space left on device."),
        # restic 0.14, if the disk has no room even for a lock.
        (
            f"{_RETRY}client.PutObject\nunable to create lock in backend\n",
            "unable to create lock in backend: client.PutObject: No space left on device.",
        ),
        ("something else\n", "something else"),
    ],
    ids=["fatal", "fatal after attempts", "unexpected after attempts", "unexpected"],
)
def test_the_sentence_has_the_reason(tmp_path: Path, written: str, said: str) -> None:
    errors = tmp_path / "errors"
    errors.write_text(written)
    assert because(errors) == said
