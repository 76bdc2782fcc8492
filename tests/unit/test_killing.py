"""How e2e tests kill a run: all processes, or only the processes from make to the engine."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.support import killing
from tests.e2e.support.stack import Stack
from tools.common.paths import Clone

TREE = """
import subprocess, sys
commands = [["{folder}/pulumi-plugin", "600"], ["{folder}/pulumi", "-c", "{folder}/pulumi-host 600; true"]]
children = [subprocess.Popen(command, start_new_session=True) for command in commands]
children[0].wait()
"""


def running(marker: str) -> set[str]:
    """The names of processes that run a program in a folder, zombies left out."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (path / "cmdline").read_text(errors="replace").partition("\0")[0]:
                found.add((path / "comm").read_text().strip())
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("everything", "left"), [(True, set()), (False, {"pulumi-plugin", "pulumi-host"})], ids=["all", "engine"]
)
def test_who_is_killed(tmp_path: Path, everything: bool, left: set[str]) -> None:
    """Children that have a session of their own belong to the run as well."""
    for name in ("pulumi-plugin", "pulumi-host"):
        (tmp_path / name).symlink_to("/bin/sleep")
    (tmp_path / "pulumi").symlink_to("/bin/sh")
    process = subprocess.Popen([sys.executable, "-c", TREE.format(folder=tmp_path)])
    names = {"pulumi", "pulumi-plugin", "pulumi-host"}
    deadline = time.monotonic() + 60
    while running(str(tmp_path)) != names and time.monotonic() < deadline:
        time.sleep(0.05)
    killing.kill_tree(process.pid, plugins_too=everything)
    process.wait(30)
    try:
        while running(str(tmp_path)) != left and time.monotonic() < deadline:
            time.sleep(0.05)
        assert running(str(tmp_path)) == left
    finally:
        for path in Path("/proc").glob("[0-9]*"):
            # Processes that have nothing to do with this come and go.
            with contextlib.suppress(OSError):
                if str(tmp_path) in (path / "cmdline").read_text(errors="replace"):
                    os.kill(int(path.name), 9)


def test_the_seed_of_an_earlier_run_gives_its_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    seed, chance = killing.seeded()
    monkeypatch.setenv(killing.SEED, str(seed))
    again, same = killing.seeded()
    assert (again, same.sample(range(100), 10)) == (seed, chance.sample(range(100), 10))


def test_what_was_under_way(tmp_path: Path) -> None:
    stack = Stack("s", {}, print, clone=Clone(tmp_path))
    (tmp_path / ".state/s").mkdir(parents=True)
    urn = "urn:pulumi:s::hardway::command:remote:Command::"
    lines = [
        {"resourcePreEvent": {"metadata": {"op": op, "type": "command:remote:Command", "urn": urn + name}}}
        for op, name in (("update", "a-stage"), ("create", "b-stage"), ("same", "c-stage"))
    ]
    lines.append({"resOutputsEvent": {"metadata": {"op": "update", "urn": urn + "a-stage", "type": "x"}}})
    text = "\n".join([*map(json.dumps, lines), '{"preludeEvent": {}}', '{"cut o'])
    (tmp_path / ".state/s/up.jsonl").write_text(text)
    assert killing.under_way(stack) == ["b-stage"]
    assert killing.begun(stack, "create", "update") == 2
    assert killing.begun(stack, "create", "update", named="^b-") == 1
