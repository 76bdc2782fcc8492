"""cis.sh on a simulated machine: what reaches kube-bench, what comes back, and that nothing stays."""

import io
import shlex
import signal
import subprocess
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from scratch_machine import ScratchMachine

from components.node import scripts
from tools.cis import archive
from tools.cis.benchmark import Run, runs
from tools.cis.findings import Finding, Measurement, parse

FOUND = '{"Controls":[{"tests":[{"results":[{"test_number":"1.1.1","status":"PASS","actual_value":"a\\tb"}]}]}]}'
TELLING = f"""
echo "$@" >>"${{0%/*}}/../called"
while [ "$1" != --outputfile ]; do shift; done
printf '%s\\n' '{FOUND}' >"$2"
"""


@pytest.fixture
def machine(tmp_path: Path) -> ScratchMachine:
    """A machine with programs of a release."""
    made = ScratchMachine(tmp_path)
    (made.root / "bin").mkdir()
    return made


def packed(program: str, measures: Mapping[str, str]) -> bytes:
    """An archive with a stand-in of kube-bench."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for name, text in {
            "kube-bench": f"#!/bin/sh\n{program}",
            **{f"measures/{n}": t for n, t in measures.items()},
        }.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o700
            made.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def run(machine: ScratchMachine, request: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run the script with this standard input."""
    return subprocess.run(
        ["sh", str(scripts.path("cis"))],
        input=request,
        env=machine.environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )


def left(machine: ScratchMachine) -> list[str]:
    """Names of what a run has left in the folder of hardway."""
    return [path.name for path in machine.root.iterdir() if path.name.startswith(".cis")]


def test_a_machine_tells_findings_and_measurements(machine: ScratchMachine) -> None:
    """kube-bench gets the targets and the controls. A measurement fails with its last line; nothing stays."""
    measures = {"1.2.1": "echo one\necho two\nfalse\necho never", "5.1.1": "echo fine"}
    data = packed(TELLING, measures)
    done = run(
        machine, archive.request([Run(("master", "etcd")), Run(("master",), ("1.1.7", "1.1.8"))], measures, data)
    )
    assert (done.returncode, done.stderr) == (0, b"")
    found = parse("cp-1", "Welcome\n" + done.stdout.decode())
    assert found.findings == {"1.1.1": Finding("PASS", "a b")}
    assert found.measured == {"1.2.1": Measurement(False, "two"), "5.1.1": Measurement(True, "fine")}
    first, second = map(shlex.split, (machine.root / "called").read_text().splitlines())
    assert first[first.index("--targets") + 1] == "master,etcd" and "--check" not in first
    assert second[second.index("--check") + 1] == "1.1.7,1.1.8" and {"--json", "--benchmark", "cis-1.12"} <= {*second}
    assert left(machine) == []


def test_members_without_an_api_server_are_judged_in_two_runs() -> None:
    """Files of etcd are controls of the control plane in the benchmark."""
    assert [run.line() for run in runs(["etcd"])] == ["run etcd all", "run master 1.1.7,1.1.8,1.1.11,1.1.12"]
    assert [run.line() for run in runs(["control-plane", "etcd", "worker"])] == [
        "run master,controlplane,etcd,node all"
    ]
    assert [run.line() for run in runs(["worker"])] == ["run node all"]


def test_an_archive_that_is_cut_off_fails_and_leaves_nothing(machine: ScratchMachine) -> None:
    """As if the run of the operator was killed."""
    whole = archive.request([Run(("node",))], [], packed(TELLING + "#" * 9000, {}))
    done = run(machine, whole[: len(whole) // 2])
    assert done.returncode == 1 and done.stderr == b"the archive with kube-bench did not arrive as a whole\n"
    assert left(machine) == [] and not (machine.root / "called").exists()


def test_the_last_words_of_a_kube_bench_that_fails_are_told(machine: ScratchMachine) -> None:
    done = run(machine, archive.request([Run(("node",))], [], packed("echo cannot read >&2; exit 3", {})))
    assert (done.returncode, done.stderr) == (1, b"kube-bench fails: cannot read\n")
    assert left(machine) == [] and b"end" not in done.stdout


def test_an_interrupted_run_leaves_nothing_and_a_killed_one_until_the_next(machine: ScratchMachine) -> None:
    """A second run at the same time is refused."""
    slow = archive.request([Run(("node",))], [], packed('touch "${0%/*}/../called"; exec sleep 3', {}))
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen(
            ["sh", str(scripts.path("cis"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=machine.environment(),
        )
        assert process.stdin is not None
        process.stdin.write(slow)
        process.stdin.close()
        until = time.monotonic() + 30
        while not (machine.root / "called").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert len(left(machine)) == 1
        again = run(machine, slow)
        assert (again.returncode, again.stderr) == (1, b"another run of make cis is at work on this machine\n")
        process.send_signal(number)
        process.wait(30)
        (machine.root / "called").unlink()
        assert len(left(machine)) == (0 if number == signal.SIGTERM else 1)
    assert run(machine, archive.request([Run(("node",))], [], packed(TELLING, {}))).returncode == 0
    assert left(machine) == []


def test_the_folder_is_private(machine: ScratchMachine) -> None:
    """Also if the programs that call the script have another umask."""
    program = 'stat -c "%a" "${0%/*}" "$0" >"${0%/*}/../called"\n' + TELLING.replace("called", "more")
    assert run(machine, archive.request([Run(("node",))], [], packed(program, {}))).returncode == 0
    assert (machine.root / "called").read_text() == "700\n700\n"
