"""What goes to a machine: the program, the benchmark with hardway's paths, and the measurements."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping

from tools.cis.benchmark import NAME, TARGETS, Run
from tools.cis.config import adapted, config_text
from tools.cis.program import KubeBench


def pack(found: KubeBench, measures: Mapping[str, str]) -> bytes:
    """A compressed tar archive. `measures` are the texts of POSIX scripts, by the id of their control."""
    buffer = io.BytesIO()
    # Most of the archive is one program: more compression costs seconds and saves little.
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.USTAR_FORMAT, compresslevel=3) as archive:
        _add(archive, "kube-bench", found.program.read_bytes(), 0o700)
        _add(archive, "cfg/config.yaml", config_text().encode())
        # kube-bench merges this file, which has nothing to say, and takes a missing one for an error.
        _add(archive, f"cfg/{NAME}/config.yaml", b"---\n")
        for target in TARGETS:
            text = (found.benchmarks / NAME / f"{target}.yaml").read_text()
            _add(archive, f"cfg/{NAME}/{target}.yaml", adapted(target, text).encode())
        for control, script in measures.items():
            _add(archive, f"measures/{control}", script.encode())
    return buffer.getvalue()


def request(runs: Iterable[Run], measures: Iterable[str], archive: bytes) -> bytes:
    """The standard input of cis.sh: what to run, which controls' measurements to take, and the archive."""
    lines = [*(run.line() for run in runs), *(f"measure {control}" for control in measures), "archive", ""]
    return "\n".join(lines).encode() + archive


def _add(archive: tarfile.TarFile, path: str, content: bytes, mode: int = 0o600) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(content), mode
    archive.addfile(info, io.BytesIO(content))
