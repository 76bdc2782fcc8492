"""The login keys of the program on a machine: the script that replaces them, on a real file."""

import subprocess
from pathlib import Path

import pytest

from components.machines.login import script

ONE, TWO = "ssh-ed25519 AAAAone hardway-login-1", "ssh-ed25519 AAAAtwo hardway-login-2"
OPERATOR = "ssh-rsa AAAAoperator somebody@example.com"


def after(home: Path, present: list[str], *lines: str) -> list[str]:
    """The lines of the file after the script has made `lines` the keys of the program."""
    (home / ".ssh").mkdir(exist_ok=True)
    file = home / ".ssh/authorized_keys"
    file.write_text("".join(f"{line}\n" for line in present))
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    subprocess.run(["sh", "-c", script(lines)], env=environment, check=True, capture_output=True, timeout=10)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["authorized_keys"]
    return file.read_text().splitlines()


@pytest.mark.parametrize("first", ["ssh-ed25519 AAAAone", ONE], ids=["of the first boot", "marked"])
def test_keys_of_the_program_are_replaced(tmp_path: Path, first: str) -> None:
    assert after(tmp_path, [first], ONE, TWO) == [ONE, TWO]


def test_a_key_that_is_given_up_goes(tmp_path: Path) -> None:
    assert after(tmp_path, [ONE, TWO], TWO) == [TWO]


def test_another_key_with_the_same_number_takes_its_place(tmp_path: Path) -> None:
    """Step 1 was taken back, and then taken again."""
    other = "ssh-ed25519 AAAAother hardway-login-2"
    assert after(tmp_path, [ONE, TWO], ONE, other) == [ONE, other]


def test_keys_of_others_stay(tmp_path: Path) -> None:
    assert after(tmp_path, [OPERATOR, ONE], TWO) == [OPERATOR, TWO]
