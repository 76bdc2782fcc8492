"""What is shown of Pulumi's own output, and how two files are followed while they grow."""

import json
import threading
import time
from pathlib import Path

import pytest

from tests.wait import eventually
from tools.operate.display.follow import following
from tools.operate.display.lines import Progress
from tools.operate.display.output import Kept

ROWS = """\
Loading policy packs...: starting
@ previewing update....
 +  pulumi:pulumi:Stack hardway-dev create
 +  command:remote:Command cp-1-stage creating (10s) cp-1: fetches kubelet
 ~  kubernetes:rbac.authorization.k8s.io/v1:ClusterRole flannel updated (0.2s)
 +- aws:ec2/instance:Instance cp-1-machine replaced
 ++ tls:index:LocallySignedCert admin created replacement
 -- tls:index:LocallySignedCert admin deleted original
 -  command:local:Command worker-1-machine deleting (1s)
    pulumi:pulumi:Stack hardway-dev running error: update failed
@ updating.......
"""
TOLD = """\
Updating (dev):

Diagnostics:
  command:remote:Command (cp-1-activate):
    error: Process exited with status 1: running "sudo -n sh apply.sh activate":
    cp-1: unit etcd.service of release 1a is not healthy: failed; its last lines:
    hardway:machines.engine: 'docker' cannot take the place of 'podman'

Policies:
        - [mandatory]  certificate-lifetime  (tls:index:LocallySignedCert: admin)
          - a list, whose lines begin as rows do

Resources:
    + 2 created
    251 unchanged

Duration: 41s
"""


def test_lines_about_resources_are_dropped_and_nothing_else() -> None:
    assert Kept().feed(ROWS) == []
    assert Kept().feed(TOLD) == TOLD.splitlines()
    assert Kept().feed(ROWS + TOLD + ROWS) == TOLD.splitlines()


@pytest.mark.parametrize("size", [1, 7, 64])
def test_output_may_come_in_pieces(size: int) -> None:
    text, kept = ROWS + TOLD, Kept()
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert [line for piece in pieces for line in kept.feed(piece)] == TOLD.splitlines()


def test_the_last_line_may_have_no_end() -> None:
    kept = Kept()
    assert kept.feed("error: no such stack") == []
    assert kept.end() == ["error: no such stack"] and kept.end() == []


def test_two_files_are_followed_while_they_grow(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Lines are printed while the run goes on, and nothing is lost that comes at the very end."""
    events = tmp_path / "up.jsonl"
    resource = {"op": "create", "urn": "urn:pulumi:a::b::command:remote:Command::cp-1-stage"}
    metadata = {"metadata": resource | {"type": "command:remote:Command"}}
    with following(events, tmp_path / "up.log", Progress(time.monotonic())) as output:
        with events.open("w") as log:
            print(json.dumps({"resourcePreEvent": metadata}), file=log, flush=True)
            output.write(ROWS + "Diagnostics:\n")
            output.flush()
            eventually(lambda: _has("Diagnostics:", capfd), 10, "the output is shown", every=0.02)
            print(json.dumps({"resOutputsEvent": metadata}), file=log)
        output.write("Duration: 1s\n")
        output.flush()
    found = capfd.readouterr()
    assert found.out == "Duration: 1s\n"
    assert found.err.strip().partition("s  ")[2].startswith("cp-1 stage: done in ")
    assert (tmp_path / "up.log").read_text() == f"{ROWS}Diagnostics:\nDuration: 1s\n"
    assert (tmp_path / "up.log").stat().st_mode & 0o777 == 0o600
    assert threading.active_count() == 1


def test_a_run_may_end_before_there_are_events(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with following(tmp_path / "none.jsonl", tmp_path / "up.log", Progress(time.monotonic())) as output:
        output.write("error: no such stack")
        output.flush()
    assert capfd.readouterr().out == "error: no such stack\n"


def _has(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert text in capfd.readouterr().out
