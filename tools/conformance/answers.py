"""The project's answers to specs that do not pass, or are not run: answers.yaml."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.judging.answers_file import read_answers

FILE = Path(__file__).with_name("answers.yaml")
STAND_INS = "stand-ins"
"""The machines have stand-ins of upstream's images."""
NODE_PORTS = "node-ports"
"""The page has other node ports than 30000 to 32767, which upstream's tests expect."""
CONDITIONS = {STAND_INS, NODE_PORTS}
_KEYS = {"answer", "run", "if"}


@dataclass(frozen=True)
class Answer:
    """Why a spec does not pass. If it is not `run`, then it is left out, for example because it would wait long.

    `condition` says which clusters the answer concerns; empty: all.
    """

    text: str
    run: bool = True
    condition: str = ""


def read(files: Mapping[Path, str], specs: Collection[str]) -> dict[str, Answer]:
    """The answers in the texts of these files, by the name of their spec. A later file has priority.

    Raises ToolError, with all mistakes, if a file is wrong or answers a spec that there is not.
    """
    return read_answers(
        files,
        "specs",
        lambda name, entry: _mistakes(name, entry, specs),
        lambda text, entry: Answer(text, entry.get("run", True), entry.get("if", "")),
    )


def concerning(answers: Mapping[str, Answer], conditions: Collection[str]) -> dict[str, Answer]:
    """The answers that concern a cluster for which these conditions hold."""
    return {name: answer for name, answer in answers.items() if not answer.condition or answer.condition in conditions}


def _mistakes(name: object, entry: Any, specs: Collection[str]) -> list[str]:
    if name not in specs:
        return ["there is no such spec; allowed: the full name of a spec with the label Conformance"]
    if not isinstance(entry, dict) or not isinstance(entry.get("answer"), str) or not entry["answer"].strip():
        return ["there is no `answer`; allowed: a sentence"]
    found = [f"{key!r} is no key; allowed: {', '.join(sorted(_KEYS))}" for key in sorted(entry.keys() - _KEYS)]
    if not isinstance(entry.get("run", True), bool):
        found.append(f"run: {entry['run']!r}; allowed: true, false")
    if entry.get("if", "") not in {"", *CONDITIONS}:
        found.append(f"if: {entry['if']!r}; allowed: {', '.join(sorted(CONDITIONS))}")
    return found
