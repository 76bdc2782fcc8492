"""Where kube-bench and its benchmarks are: a folder that the operator gives, or the build of this project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.common.errors import ToolError
from tools.from_source import catalogue
from tools.judging.built import built

_HOW_TO_GIVE = "give the unpacked release with `make cis KUBE_BENCH=FOLDER`: docs/cis.md"


@dataclass(frozen=True)
class KubeBench:
    """The program for the machines, and the folder with the benchmarks of the same version."""

    program: Path
    benchmarks: Path


def find(given: Path | None) -> KubeBench:
    """kube-bench in the folder `given`, or the built one; builds it first if that was not done yet.

    Raises ToolError if the folder is not that of a release, or if there is no folder and no Go.
    """
    if given is not None:
        return _in_folder(given)
    return _in_folder(built(catalogue.KUBE_BENCH, "kube-bench", _HOW_TO_GIVE).parent)


def _in_folder(folder: Path) -> KubeBench:
    found = KubeBench(folder / "kube-bench", folder / "cfg")
    if not found.program.is_file() or not found.benchmarks.is_dir():
        raise ToolError(f"{folder} has no `kube-bench` with a folder `cfg`; {_HOW_TO_GIVE}")
    return found
