"""`python3 -m tools.prepare`: the message for an old Python, and a start with nothing but Python."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.common.paths import Clone, this_clone
from tools.common.store import Store
from tools.prepare import venv

ROOT = this_clone().root
SYSTEM = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
ROOMS = ("common", "prepare")
# `env` needs no engine and no cluster. The audit hook prints the program that this process would execute.
AS_PROCESS = """
import runpy, sys
sys.argv = ["tools.prepare", *sys.argv[1:]]
sys.path.insert(0, "")
sys.addaudithook(lambda event, args: event == "os.exec" and print("becomes", args[0], flush=True))
runpy.run_module("tools.prepare", run_name="__main__", alter_sys=True)
"""


def run(clone: Clone, python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [python, "-c", AS_PROCESS, *arguments]
    environment = os.environ | {"HARDWAY_CACHE": str(clone.root / "shared")}
    return subprocess.run(command, cwd=clone.root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A clone that uses the existing environment of this clone."""
    program = ("components/__init__.py", "components/artifacts/__init__.py", "components/artifacts/official_pulumi.py")
    for name in ("tools/__init__.py", "tools/__main__.py", "tools/cli.py", *program, *venv.REQUIREMENTS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    for name in ("commands", "common", "operate", "prepare"):
        shutil.copytree(ROOT / "tools" / name, tmp_path / "tools" / name)
    clone = Clone(tmp_path)
    store = Store(tmp_path / "shared" / "store")
    store.root.mkdir(parents=True)
    store.path("venv", venv._digest(clone)).symlink_to(sys.prefix)
    return clone


def test_too_old_a_python_is_told_so() -> None:
    # Only the check may run, because other modules of the tools may use newer syntax.
    old = (
        "import runpy, sys\n"
        "sys.version_info = (3, 9, 2, 'final', 0)\nsys.version = '3.9.2 (old)'\n"
        "sys.modules['tools.common'] = sys.modules['tools.prepare.venv'] = None\n"
        "runpy.run_module('tools.prepare', run_name='__main__', alter_sys=True)\n"
    )
    ended = subprocess.run([sys.executable, "-c", old], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "error: Python 3.11 or newer is needed, this is 3.9.2; try `make PYTHON=python3.11`\n"


@pytest.mark.parametrize("name", ["__init__.py", "prepare/__init__.py", "prepare/__main__.py"])
def test_an_old_python_can_read_as_far_as_the_check(name: str) -> None:
    ast.parse((ROOT / "tools" / name).read_text(), feature_version=(3, 4))


def test_nothing_need_be_installed() -> None:
    rooms = [path for room in ROOMS for path in sorted((ROOT / "tools" / room).glob("*.py"))]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in rooms]
    code = (
        f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\n"
        "print(*{name.partition('.')[0] if not name.startswith('tools.') else '.'.join(name.split('.')[:2])"
        " for name in sys.modules} - set(sys.stdlib_module_names) - {'__main__', 'tools'})"
    )
    # -S: without the packages that are installed.
    found = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert set(found.stdout.split()) == {f"tools.{room}" for room in ROOMS}


def test_a_command_goes_on_in_the_environment(clone: Clone) -> None:
    first = run(clone, SYSTEM, "env", "--stack", "some")
    assert first.returncode == 0, first.stderr
    becomes, _, lines = first.stdout.partition("\n")
    assert becomes == f"becomes {clone.venv}/bin/python"
    assert clone.venv.resolve() == Path(sys.prefix).resolve()
    assert "export PULUMI_STACK=some\nexport" in lines


def test_python_of_the_environment_does_not_start_again(clone: Clone) -> None:
    assert run(clone, SYSTEM, "venv").stdout == ""
    ended = run(clone, f"{clone.venv}/bin/python", "env")
    assert ended.returncode == 0 and "becomes" not in ended.stdout and "PULUMI_STACK=dev" in ended.stdout


def test_other_pins_are_another_environment(clone: Clone) -> None:
    run(clone, SYSTEM, "venv")
    (clone.root / "requirements.txt").write_text("other==1\n")
    other = clone.root / "other"
    other.mkdir()
    (other / "bin").symlink_to(Path(sys.prefix, "bin"))
    store = Store(clone.root / "shared" / "store")
    store.path("venv", venv._digest(clone)).symlink_to(other)
    # The process that notices this still runs in the old environment.
    ended = run(clone, f"{clone.venv}/bin/python", "env")
    assert ended.stdout.startswith(f"becomes {clone.venv}/bin/python\n")
    assert clone.venv.resolve() == other


def test_cache_is_removed_without_an_environment(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    (clone.root / "bin").mkdir()
    for name in ("podman", "docker"):  # the images of this host stay
        (clone.root / "bin" / name).symlink_to("/bin/false")
    monkeypatch.setenv("PATH", f"{clone.root}/bin:/bin:/usr/bin")
    ended = run(clone, SYSTEM, "clean-cache")
    assert ended.returncode == 0, ended.stderr
    assert not (clone.root / "shared").exists() and not clone.venv.exists()
