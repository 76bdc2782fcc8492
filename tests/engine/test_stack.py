"""Stacks, with the real engine on a program without plugins: the committed page stays as it is, whatever happens."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.paths import Clone, this_clone
from tools.stack import Stack

ENGINE = this_clone().bin / "pulumi"
PAGE = "# kept as it is\nconfig:\n  scratch:x:   {a: 1}   # also this\n"
PROGRAM = """
import hashlib, os, time
import pulumi

kept = pulumi.Stash("kept", input=pulumi.Output.secret(os.environ["VALUE"]),
                    opts=pulumi.ResourceOptions(ignore_changes=["input"]))
if os.environ.get("FAIL"):
    raise Exception("half way")
if os.environ.get("WAIT"):
    open("waiting", "w").close()
    time.sleep(60)
pulumi.export("kubeconfig", kept.output)
digest = kept.output.apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
pulumi.export("kubeconfigSha256", pulumi.Output.unsecret(digest))
"""
RUN = """
import sys
from pathlib import Path
from tools.paths import Clone
from tools.stack import Stack
sys.exit(Stack(Clone(Path(sys.argv[1])), "dev").up())
"""

pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="no engine in this clone yet: run `make tools`")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name in [name for name in os.environ if name.startswith("PULUMI_") or name == "HARDWAY_CLONE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VALUE", "first secret")
    monkeypatch.setenv("PATH", f"{ENGINE.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(this_clone().root))
    clone = Clone(tmp_path)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "bin").symlink_to(ENGINE.parent)
    (tmp_path / ".venv").symlink_to(this_clone().venv.resolve())
    project = "name: scratch\nruntime: {name: python, options: {virtualenv: .venv}}\n"
    (tmp_path / "Pulumi.yaml").write_text(project)
    clone.page("dev").write_text(PAGE)
    (tmp_path / "__main__.py").write_text(PROGRAM)
    yield Stack(clone, "dev")
    assert clone.page("dev").read_text() == PAGE
    assert (tmp_path / "Pulumi.yaml").read_text() == project


def in_background(stack: Stack) -> subprocess.Popen[bytes]:
    """Start `up`, and return when the program is in the middle of it."""
    command = [sys.executable, "-c", RUN, str(stack.clone.root)]
    environment = {**os.environ, "WAIT": "1"}
    process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (stack.clone.root / "waiting").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail("the program did not start")
        time.sleep(0.05)
    return process


def descendants(process: int) -> list[int]:
    """Every process that `process` has started, the nearest first."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    return children + [deeper for child in children for deeper in descendants(child)]


def locks(stack: Stack) -> list[Path]:
    return list(stack.clone.state.glob(".pulumi/locks/**/*.json"))


def state(stack: Stack) -> Path:
    (path,) = stack.clone.state.glob(".pulumi/stacks/scratch/dev.json")
    return path


def interrupt(stack: Stack, *types: str) -> None:
    """Note creations that a killed run had begun."""
    content = json.loads(state(stack).read_text())
    content["checkpoint"]["latest"]["pending_operations"] = [
        {"type": "creating", "resource": {"urn": f"urn:pulumi:dev::scratch::{kind}::x", "custom": True, "type": kind}}
        for kind in types
    ]
    state(stack).write_text(json.dumps(content))


def test_life_of_a_stack_whose_first_up_fails_half_way(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "1")
    assert stack.up() != 0
    assert not stack.clone.kubeconfig("dev").exists()
    monkeypatch.delenv("FAIL")
    monkeypatch.setenv("VALUE", "second secret")
    assert stack.up() == 0
    kubeconfig = stack.clone.kubeconfig("dev")
    # The secret of the failed run: its salt was found in the state.
    assert kubeconfig.read_text().strip() == "first secret"
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    assert stack.preview(["--expect-no-changes"]) == 0
    written = kubeconfig.stat().st_mtime_ns
    assert stack.up() == 0
    assert kubeconfig.stat().st_mtime_ns == written
    kubeconfig.write_text("of another cluster\n")
    assert stack.up() == 0
    assert kubeconfig.read_text().strip() == "first secret"
    assert stack.destroy() == 0
    assert not (stack.clone.state / "dev").exists()
    assert not list(stack.clone.state.glob(".pulumi/stacks/scratch/dev.json"))
    assert stack.destroy() == 0


def test_interrupt_ends_the_engine_in_its_own_time(stack: Stack) -> None:
    process = in_background(stack)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) not in (0, None)
    assert locks(stack) == []


def test_lock_of_a_killed_engine_does_not_stop_the_next_run(stack: Stack) -> None:
    process = in_background(stack)
    engine, *its_children = descendants(process.pid)
    for victim in (engine, *its_children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    process.wait(30)
    assert len(locks(stack)) == 1
    assert stack.up() == 0
    assert locks(stack) == []


def test_lock_of_a_living_engine_is_left_alone(stack: Stack) -> None:
    process = in_background(stack)
    try:
        for action in (stack.up, stack.destroy):
            with pytest.raises(ToolError, match=r"stack dev is locked since .* on this host: let it end"):
                action()
        assert len(locks(stack)) == 1
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def test_what_a_killed_run_had_begun_is_taken_up_again(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    """Pulumi keeps such a note for ever and warns of it in each run; what is left to a person is told instead."""
    assert stack.up() == 0
    interrupt(stack, "command:local:Command", "aws:ec2/instance:Instance")
    assert stack.up() == 0
    said = capfd.readouterr().err
    assert "a run was killed while it made aws:ec2/instance:Instance x, and nobody knows" in said
    assert '"pending_operations"' in state(stack).read_text()
    interrupt(stack, "command:local:Command")
    assert stack.up() == 0
    said = capfd.readouterr().err
    assert "what it had begun is taken up again: x\n" in said and "pending operations" not in said
    assert '"pending_operations"' not in state(stack).read_text()


def test_a_state_that_was_cut_off_comes_back(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    """After a power cut; and its attributes, which a kill is enough for: Pulumi then reads none of it."""
    assert stack.up() == 0
    attributes = state(stack).with_name(f"{state(stack).name}.attrs")
    assert attributes.stat().st_size > 0
    attributes.write_text("")
    assert "EOF" in stack._ask("stack", "export").stderr
    text = state(stack).read_text()
    state(stack).write_text(text[: len(text) // 2])
    assert stack.up() == 0
    assert "was damaged, as after a power cut" in capfd.readouterr().err
    assert stack.clone.kubeconfig("dev").read_text().strip() == "first secret"


def test_what_a_killed_destroy_has_left_goes_with_the_next(stack: Stack) -> None:
    """It had removed the stack, and not yet the folder with its kubeconfig."""
    assert stack.up() == 0
    folder = stack.clone.state / "dev"
    kept = stack.clone.kubeconfig("dev").read_text()
    assert stack.destroy() == 0
    folder.mkdir()
    stack.clone.kubeconfig("dev").write_text(kept)
    assert stack.destroy() == 0
    assert not folder.exists()


def test_a_stack_needs_a_page(stack: Stack) -> None:
    with pytest.raises(ToolError, match=r"there is no page Pulumi\.prod\.yaml .*\['dev'\]"):
        Stack(stack.clone, "prod").up()


def test_a_page_with_a_key_of_its_own_is_the_users_to_make(stack: Stack) -> None:
    page = stack.clone.page("cloud")
    page.write_text("secretsprovider: awskms://alias/k\n")
    with pytest.raises(ToolError, match=r"pulumi stack init cloud --secrets-provider awskms://alias/k"):
        Stack(stack.clone, "cloud").up()


def test_a_preview_leaves_a_report(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    report = stack.clone.state / "dev" / "preview.md"
    assert stack.preview() == 0
    assert "Preview of `dev`: 2 other changes." in report.read_text()
    assert report.read_text() in capfd.readouterr().out
    assert report.stat().st_mode & 0o777 == 0o600
    assert stack.up() == 0
    assert stack.preview() == 0
    assert report.read_text().endswith("Preview of `dev`: nothing changes.\n")
    monkeypatch.setenv("FAIL", "1")
    assert stack.preview() != 0
    assert "it failed" in report.read_text() and "half way" in report.read_text()
    assert all("first secret" not in path.read_text() for path in report.parent.glob("preview.*"))


def test_renewal_changes_nothing_that_nobody_has_seen(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ToolError, match="so nothing was changed: create pulumi:Stash kept"):
        stack.renew()
    with pytest.raises(ToolError, match="has no kubeconfig yet"):
        stack.write_kubeconfig()
    assert stack.up() == 0
    assert stack.renew() == 0
    assert "no certificate is due" in capfd.readouterr().err
