"""Stacks, with the real engine and a program without plugins. The committed page never changes."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.common.errors import ToolError
from tools.from_source import pulumi_home
from tools.operate.envsh import environment
from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
RUN = """
import sys
from pathlib import Path
from tools.common.paths import Clone
from tools.operate.stack import Stack
sys.exit(Stack(Clone(Path(sys.argv[1])), "dev").up())
"""


def in_background(stack: Stack) -> subprocess.Popen[bytes]:
    """Start `up`, and return while its program runs."""
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
    """All descendants of a process, children first."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    return children + [deeper for child in children for deeper in descendants(child)]


def locks(stack: Stack) -> list[Path]:
    return list(stack.clone.state.glob(".pulumi/locks/**/*.json"))


def state(stack: Stack) -> Path:
    (path,) = stack.clone.state.glob(".pulumi/stacks/scratch/dev.json")
    return path


def interrupt(stack: Stack, *types: str) -> None:
    """Add pending creations to the state, as a killed run does."""
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
    # The secret of the failed run, so the salt was found in the state.
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


def test_a_stack_with_a_protected_resource_stays_whole(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulumi alone removes what is not protected, such as a password, and then fails."""
    monkeypatch.setenv("PROTECTED", "yes")
    assert stack.up() == 0
    with pytest.raises(
        ToolError, match=r"stack dev has protected resources, so nothing was removed: data\. If they may"
    ):
        stack.destroy()
    resources = {resource["urn"].rpartition("::")[2] for resource in stack.state()["resources"]}
    assert {"kept", "data"} <= resources
    monkeypatch.setenv("PROTECTED", "no")
    assert stack.up() == 0
    assert stack.destroy() == 0
    assert not list(stack.clone.state.glob(".pulumi/stacks/scratch/dev.json"))


def test_a_protected_stack_whose_up_fails_has_a_way_out(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example if its machines are gone. The command is the one that the error names."""
    monkeypatch.setenv("PROTECTED", "yes")
    assert stack.up() == 0
    monkeypatch.setenv("PROTECTED", "no")
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(ToolError) as refused:
        stack.destroy()
    found = re.search(r"`pulumi (state unprotect [^`]+)`", str(refused.value))
    assert found
    known = environment(stack.clone, "dev", os.environ)
    command = ["pulumi", *found[1].split(), "--yes"]
    subprocess.run(command, cwd=stack.clone.root, env=known, check=True, stdin=subprocess.DEVNULL)
    assert stack.destroy() == 0
    assert not list(stack.clone.state.glob(".pulumi/stacks/scratch/dev.json"))


def test_who_names_the_resources_to_remove_is_not_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROTECTED", "yes")
    assert stack.up() == 0
    stack.destroy(["--target", "**::kept"])
    assert "kept" not in {resource["urn"].rpartition("::")[2] for resource in stack.state()["resources"]}


def test_a_resource_is_made_again_by_the_end_of_its_name(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the sentence about a program without rights says (tools/operate/revoked.py)."""
    assert stack.up() == 0
    monkeypatch.setenv("VALUE", "second secret")
    assert stack.up() == 0
    assert stack.clone.kubeconfig("dev").read_text().strip() == "first secret"
    assert stack.up(["--replace", "**::kept"]) == 0
    assert stack.clone.kubeconfig("dev").read_text().strip() == "second secret"


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
            with pytest.raises(ToolError, match=r"stack dev is locked since .* on this host: wait until it ends"):
                action()
        assert len(locks(stack)) == 1
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def test_what_a_killed_run_had_begun_is_taken_up_again(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    """Without this, Pulumi keeps pending operations forever and warns in each run. A person gets a message instead."""
    assert stack.up() == 0
    interrupt(stack, "command:local:Command", "aws:ec2/instance:Instance")
    assert stack.up() == 0
    said = capfd.readouterr().err
    assert "a run was killed while it made aws:ec2/instance:Instance x, which may exist" in said
    assert '"pending_operations"' in state(stack).read_text()
    interrupt(stack, "command:local:Command")
    assert stack.up() == 0
    said = capfd.readouterr().err
    assert "its unfinished operations run again: x\n" in said and "pending operations" not in said
    assert '"pending_operations"' not in state(stack).read_text()


def test_a_state_that_was_cut_off_comes_back(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    """A power cut damages the state. A kill has cut off attributes that an earlier version of the project wrote."""
    assert stack.up() == 0
    state(stack).with_name(f"{state(stack).name}.attrs").write_text("")
    assert "EOF" in stack._pulumi.ask("stack", "export").stderr
    text = state(stack).read_text()
    state(stack).write_text(text[: len(text) // 2])
    assert stack.up() == 0
    assert "was damaged, as after a power cut" in capfd.readouterr().err
    assert stack.clone.kubeconfig("dev").read_text().strip() == "first secret"


def test_nothing_lies_beside_the_state_that_a_kill_could_cut_off(stack: Stack) -> None:
    """The file backend replaces states in one step, but overwrites attributes in place."""
    assert stack.up() == 0
    assert state(stack).with_name(f"{state(stack).name}.bak").exists()
    assert list(stack.clone.state.rglob("*.attrs")) == []


def test_what_a_killed_destroy_has_left_goes_with_the_next(stack: Stack) -> None:
    """The killed run had removed the stack, but not yet the folder with the kubeconfig."""
    assert stack.up() == 0
    folder = stack.clone.state / "dev"
    kept = stack.clone.kubeconfig("dev").read_text()
    assert stack.destroy() == 0
    folder.mkdir()
    stack.clone.kubeconfig("dev").write_text(kept)
    assert stack.destroy() == 0
    assert not folder.exists()


def test_the_engine_writes_a_log_for_who_asks_for_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes two fifths of the engine's time. Without a folder for it, the engine has to go on without a word."""
    logs = stack.clone.pulumi_home / "logs"
    monkeypatch.setenv("PULUMI_HOME", str(stack.clone.pulumi_home))
    monkeypatch.setenv(pulumi_home.KEEP_LOGS, "1")
    pulumi_home.leave_out_logs(stack.clone)
    assert stack.up() == 0
    assert list(logs.glob("*.log"))
    monkeypatch.delenv(pulumi_home.KEEP_LOGS)
    pulumi_home.leave_out_logs(stack.clone)
    assert stack.up() == 0
    assert logs.is_file()
    monkeypatch.setenv(pulumi_home.KEEP_LOGS, "1")
    pulumi_home.leave_out_logs(stack.clone)
    assert not logs.exists()


def test_a_stack_needs_a_page(stack: Stack) -> None:
    with pytest.raises(ToolError, match=r"there is no page Pulumi\.prod\.yaml .*\['dev'\]"):
        Stack(stack.clone, "prod").up()


def test_a_page_with_a_key_of_its_own_is_the_users_to_make(stack: Stack) -> None:
    page = stack.clone.page("cloud")
    page.write_text("secretsprovider: awskms://alias/k\n")
    with pytest.raises(ToolError, match=r"pulumi stack init cloud --secrets-provider awskms://alias/k"):
        Stack(stack.clone, "cloud").up()


def test_the_first_run_of_a_large_cluster_says_what_its_state_costs(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    stack.clone.page("large").write_text(json.dumps({"config": {"hardway:nodes": [{"name": "n"}] * 503}}))
    large = Stack(stack.clone, "large")
    assert large.up() == 0
    assert "stack large is new and has 503 nodes: Pulumi writes the state of all of them" in capfd.readouterr().err
    assert large.up() == 0
    assert "is new" not in capfd.readouterr().err


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


def test_a_report_shows_certificates_that_are_due(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The events of a preview have the outputs that the last run left, and the tools read the same outputs."""
    entry = {"name": "admin", "use": "admin", "subject": "CN=x", "sans": [], "issuer": "kubernetes-ca-1"}
    entry |= {"notAfter": "2026-12-21T10:00:00Z", "renewedFrom": "2026-12-11T10:00:00Z"}
    monkeypatch.setenv("CERTIFICATES", json.dumps([entry]))
    assert stack.up() == 0
    known = stack.known_outputs()
    assert known["certificates"] == [entry] and known["kubeconfig"] == "[secret]"
    report = stack.clone.state / "dev" / "preview.md"
    row = "| `admin` | admin | `kubernetes-ca-1` | 2026-12-11 | 2026-12-21 | valid |"
    for now, is_due in (("2026-11-21T12:00:00Z", True), ("2026-10-01T00:00:00Z", False)):
        monkeypatch.setenv("HARDWAY_NOW", now)
        assert stack.preview() == 0
        assert ("### Due within 60 days" in report.read_text()) == (row in report.read_text()) == is_due


def test_renewal_changes_nothing_that_nobody_has_seen(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ToolError, match="so nothing was changed: create pulumi:Stash kept"):
        stack.renew()
    with pytest.raises(ToolError, match="has no kubeconfig yet"):
        stack.write_kubeconfig()
    assert stack.up() == 0
    assert stack.renew() == 0
    assert "no certificate is due" in capfd.readouterr().err
