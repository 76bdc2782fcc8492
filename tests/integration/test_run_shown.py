"""A run with the real engine: what it prints, and how many operations run at the same time."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.wait import eventually
from tools.common.paths import this_clone
from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
COMMANDS = 40
"""More than the engine runs at the same time by itself: four for each processor."""
PROGRAM = f"""
import os
import pulumi
import pulumi_command as command

begun = os.environ["BEGUN"]
for number in range({COMMANDS}):
    command.local.Command(
        f"worker-{{number}}-stage",
        create=f"touch {{begun}}/{{number}}; echo waits for the others; tries=0; "
        f"until [ $(ls {{begun}} | wc -l) -eq {COMMANDS} ]; do "
        "tries=$((tries + 1)); [ $tries -lt 300 ] || exit 1; sleep 0.1; done; "
        + os.environ.get("THEN", "true"),
        logging=command.local.Logging.STDOUT,
    )
pulumi.export("kubeconfig", "x")
pulumi.export("kubeconfigSha256", "y")
"""
RUN = """
import sys
from pathlib import Path
from tools.common.paths import Clone
from tools.operate.stack import Stack
sys.exit(Stack(Clone(Path(sys.argv[1])), "dev").up())
"""


@pytest.fixture
def many(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack whose commands end only if all of them have begun."""
    built = this_clone().pulumi_home / "plugins"
    if not built.is_dir():
        pytest.skip("no plugins in this clone yet: run `make tools`")
    plugins = stack.clone.pulumi_home / "plugins"
    plugins.parent.mkdir()
    plugins.symlink_to(built)
    begun = stack.clone.root / "begun"
    begun.mkdir()
    (stack.clone.root / "__main__.py").write_text(PROGRAM)
    monkeypatch.setenv("BEGUN", str(begun))
    for name in ("CI", "HARDWAY_SHOW"):
        monkeypatch.delenv(name, raising=False)
    return stack


def test_hosts_that_wait_do_not_keep_others_waiting(many: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    """One line for each host, which Pulumi's lines are not; those are in the log."""
    assert many.up() == 0
    found = capfd.readouterr()
    for number in range(COMMANDS):
        assert re.search(rf"^ *[\d.]+ s  worker-{number} stage: done in [\d.]+ s$", found.err, re.M), found.err
    assert "command:local:Command" not in found.out + found.err
    assert f"+ {COMMANDS + 1} created" in found.out
    log = (many.clone.state / "dev" / "up.log").read_text()
    assert re.search(r"\+ +command:local:Command worker-7-stage created", log)


def test_ci_is_quiet(many: Stack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CI", "true")
    assert many.up() == 0
    found = capfd.readouterr()
    assert re.findall(r" s  (.*?) in ", found.err) == [f"stage: {COMMANDS} done"], found.err


def test_all_of_pulumi_is_shown_to_who_asks_for_it(
    many: Stack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARDWAY_SHOW", "all")
    assert many.up() == 0
    assert re.search(r"\+ +command:local:Command worker-7-stage created", capfd.readouterr().out)


def test_an_error_is_shown_as_pulumi_tells_it(
    many: Stack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("THEN", "{ echo the disk is full >&2; exit 3; }")
    assert many.up() != 0
    found = capfd.readouterr()
    told = found.out.partition("Diagnostics:")[2]
    assert "command:local:Command (worker-0-stage):" in told and "the disk is full" in told
    assert "worker-0 stage: failed after" in found.err


def test_a_run_goes_on_if_who_follows_it_is_killed(many: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulumi writes into a file, so nothing breaks in its hands."""
    done = many.clone.root / "done"
    monkeypatch.setenv("THEN", f"sleep 3; touch {done}")
    command = [sys.executable, "-c", RUN, str(many.clone.root)]
    with subprocess.Popen(command, env=dict(os.environ), start_new_session=True, stdout=subprocess.DEVNULL) as follower:
        eventually(lambda: len(list((many.clone.root / "begun").iterdir())) == COMMANDS, 60, "all commands have begun")
        follower.send_signal(signal.SIGKILL)
    eventually(done.exists, 60, "the commands end")
    log = many.clone.state / "dev" / "up.log"
    eventually(lambda: "Duration:" in log.read_text(), 60, "the run ends")
    assert many.up() == 0
