"""The project's answers to controls that kube-bench does not find fulfilled: answers.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.cis.benchmark import POLICIES, Control
from tools.judging.answers_file import read_answers

FILE = Path(__file__).with_name("answers.yaml")
_KEYS = {"answer", "applies", "machine", "api"}


@dataclass(frozen=True)
class Answer:
    """What hardway does about a control, and why.

    `machine` is a POSIX script that proves the answer on a machine by its exit code, `api` one that proves the answer
    with kubectl. Both are empty if nothing can be measured. If `applies` is false, then the answer says that the
    machine does not have what the control is about, and `machine` proves this.
    """

    text: str
    machine: str = ""
    api: str = ""
    applies: bool = True


def read(files: Mapping[Path, str], controls: Mapping[str, Control]) -> dict[str, Answer]:
    """The answers in the texts of these files, by the id of their control. A later file has priority.

    Raises ToolError, with all mistakes, if a file is wrong or answers a control that the benchmark does not have.
    """
    return read_answers(
        files,
        "control ids",
        lambda control, entry: _mistakes(control, entry, controls),
        lambda text, entry: Answer(text, entry.get("machine", ""), entry.get("api", ""), entry.get("applies", True)),
    )


def _mistakes(control: object, entry: Any, controls: Mapping[str, Control]) -> list[str]:
    if control not in controls:
        return ["the benchmark has no such control; allowed: the id of a control, in quotes"]
    if not isinstance(entry, dict) or not isinstance(entry.get("answer"), str) or not entry["answer"].strip():
        return ["there is no `answer`; allowed: a sentence"]
    found = [f"{key!r} is no key; allowed: {', '.join(sorted(_KEYS))}" for key in sorted(entry.keys() - _KEYS)]
    found += [
        f"{key}: {entry[key]!r}; allowed: a POSIX script"
        for key in ("machine", "api")
        if key in entry and not isinstance(entry[key], str)
    ]
    if entry.get("applies", False) is not False:
        found.append(f"applies: {entry['applies']!r}; allowed: false")
    if "applies" in entry and not entry.get("machine"):
        found.append("`applies` needs `machine`: a script that proves that the machine has nothing of that kind")
    if entry.get("api") and controls[str(control)].target != POLICIES:
        found.append("`api` is only for controls of section 5, which are about objects of the API")
    return found
