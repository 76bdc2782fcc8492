"""Runs upstream's tests with ginkgo, in parallel processes, and shows how far they are."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tools.common.errors import ToolError
from tools.common.progress import Progress, run_logged, say
from tools.conformance import specs
from tools.conformance.program import Programs
from tools.conformance.specs import Spec
from tools.conformance.watch import Watch

_GRACE_SECONDS = 90
"""After an interrupt, specs clean up what they made, and ginkgo writes its reports."""
_GLANCE_SECONDS = 1.0
_LIMIT = "6h"
"""ginkgo ends a run that takes longer."""


@dataclass(frozen=True)
class Round:
    """Specs that are run by the same number of processes. `name` is that of the files with output and reports."""

    name: str
    specs: Sequence[Spec]
    processes: int


def rounds(chosen: Iterable[Spec], processes: int, last: Collection[str] = ()) -> list[Round]:
    """Specs that may run beside each other, then the others, one at a time, and then those with the names `last`."""
    chosen = list(chosen)
    before = [spec for spec in chosen if spec.name not in last]
    found = [
        Round("parallel", [spec for spec in before if not spec.is_serial], processes),
        Round("serial", [spec for spec in before if spec.is_serial], 1),
        Round("last", [spec for spec in chosen if spec.name in last], 1),
    ]
    return [each for each in found if each.specs]


def known(programs: Programs, folder: Path) -> dict[str, Spec]:
    """The specs of the conformance suite. The tests list them without a cluster. `folder` gets their output."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        report = Path(temporary) / "report.json"
        options = [
            "--ginkgo.dry-run",
            f"--ginkgo.label-filter={specs.CONFORMANCE}",
            "--ginkgo.silence-skips",
            "--ginkgo.no-color",
        ]
        command = [str(programs.e2e), *options, f"--ginkgo.json-report={report}", "--provider=skeleton"]
        log = folder / "list.log"
        log.unlink(missing_ok=True)
        env = {**os.environ, **_own_files(temporary)}
        run_logged(command, log, Progress("the list of specs"), cwd=Path(temporary), env=env)
        return specs.conformance(report.read_text())


def run(programs: Programs, each: Round, folder: Path, options: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a round. Returns ginkgo's report as JSON. `options` are those of e2e.test. Raises ToolError without a report.

    If this process is interrupted, then the specs that are running have time to clean up.
    """
    report = folder / f"{each.name}.json"
    report.unlink(missing_ok=True)
    command = [
        *(str(programs.ginkgo), "run", f"--procs={each.processes}", "-v", "--no-color", f"--timeout={_LIMIT}"),
        *(f"--output-dir={folder}", f"--json-report={report.name}", f"--junit-report=junit-{each.name}.xml"),
        *("--silence-skips", *specs.focus(spec.name for spec in each.specs), str(programs.e2e), "--", *options),
    ]
    log = folder / f"{each.name}.log"
    watch = Watch(len(each.specs))
    at_once = f"{each.processes} at once" if each.processes > 1 else "one at a time"
    with (
        tempfile.TemporaryDirectory(prefix="hardway-conformance-") as temporary,
        Progress(f"{len(each.specs)} specs, {at_once}") as progress,
        log.open("w", buffering=1) as output,
    ):
        process = subprocess.Popen(
            command,
            env={**environment, **_own_files(temporary)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        reader = threading.Thread(target=_read, args=(process, output, watch), daemon=True)
        reader.start()
        try:
            while reader.is_alive():
                reader.join(_GLANCE_SECONDS)
                progress.detail = watch.said()
                progress.beat()
            process.wait()
        except BaseException:
            say(f"interrupted: specs that are running clean up, for {_GRACE_SECONDS} s at most")
            _end(process)
            reader.join()
            raise
    if not report.exists():
        lines = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise ToolError(f"ginkgo wrote no report; the end of {log}:\n{lines}")
    return report.read_text()


def _own_files(folder: str) -> dict[str, str]:
    """Let temporary files go into this folder: specs of kubectl leave folders behind, also if they are only listed."""
    return {"TMPDIR": folder}


def _read(process: subprocess.Popen[str], output: TextIO, watch: Watch) -> None:
    """Copy the output of ginkgo to the log, until its end, and say which specs failed."""
    assert process.stdout
    for line in process.stdout:
        output.write(line)
        failed = watch.read(line.rstrip("\n"))
        if failed:
            say(f"failed: {failed}")


def _end(process: subprocess.Popen[str]) -> None:
    """End ginkgo in order, and with all its processes if that takes too long."""
    # The whole group, as a terminal does: ginkgo leaves it to its processes to end.
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
