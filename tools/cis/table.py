"""The page that `make cis` prints, and the same for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from tools.cis.benchmark import POLICIES, kinds
from tools.cis.findings import FAIL, NOT_APPLICABLE, PASS, WARN, Machine
from tools.cis.judge import Verdict, worst

_WIDTH = 120
_MANUAL = "(Manual)"
_SECTIONS = {"1": "control plane", "2": "etcd", "3": "configuration", "4": "kubelets", "5": "policies"}


def lines(
    verdicts: Sequence[Verdict], roles: Mapping[str, Sequence[str]], machines: Sequence[Machine]
) -> Iterator[str]:
    """A row for each control, the answers, what is open, and the totals."""
    columns = kinds(roles)
    widths = [max(len(kind), 4) for kind in columns]
    yield "  ".join(
        [f"{'control':<8}", *(kind.ljust(width) for kind, width in zip(columns, widths, strict=True)), "text"]
    )
    for verdict in verdicts:
        cells = [cell(verdict, nodes).ljust(width) for nodes, width in zip(columns.values(), widths, strict=True)]
        yield "  ".join([f"{verdict.control.id:<8}", *cells, _title(verdict)])
    answered = [verdict for verdict in verdicts if verdict.answer and not verdict.problems]
    if answered:
        yield ""
        yield "Answered by the project:"
        together: dict[str, list[str]] = {}
        for verdict in answered:
            together.setdefault(_answer(verdict), []).append(verdict.control.id)
        for text, ids in together.items():
            yield from _entry(", ".join(ids), text)
    yield from _problems(verdicts, machines)
    yield ""
    yield summary(verdicts)


def cell(verdict: Verdict, nodes: Sequence[str]) -> str:
    """The worst finding on these nodes; `-` if the control does not concern them, `*` after it if it is answered."""
    if verdict.control.target == POLICIES:
        found = WARN if any(node in verdict.findings for node in nodes) else ""
    else:
        found = worst(verdict.findings[node].state for node in nodes if node in verdict.findings)
    if not found:
        return "-"
    return f"{found}*" if found not in (PASS, NOT_APPLICABLE) and verdict.answer and not verdict.problems else found


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line with the numbers."""
    parts = []
    for state in (PASS, FAIL, WARN, NOT_APPLICABLE):
        these = [verdict for verdict in verdicts if verdict.state == state]
        answered = sum(bool(verdict.answer) and not verdict.problems for verdict in these)
        parts.append(f"{len(these)} {state}" + (f" ({answered} answered *)" if state in (FAIL, WARN) and these else ""))
    still = sum(bool(verdict.problems) for verdict in verdicts)
    return f"{len(verdicts)} controls: {', '.join(parts)}; {still} open"


def document(
    stack: str, verdicts: Sequence[Verdict], roles: Mapping[str, Sequence[str]], machines: Sequence[Machine]
) -> dict[str, Any]:
    """The same as the page, for programs."""
    return {
        "stack": stack,
        "kinds": kinds(roles),
        "silent": {machine.node: machine.silence for machine in machines if machine.silence},
        "controls": [
            {
                "id": verdict.control.id,
                "text": verdict.control.text,
                "section": _SECTIONS[verdict.control.id[0]],
                "state": verdict.state,
                "findings": {node: asdict(finding) for node, finding in verdict.findings.items()},
                "answer": verdict.answer.text if verdict.answer else None,
                "measured": {where: asdict(result) for where, result in verdict.measured.items()},
                "problems": list(verdict.problems),
            }
            for verdict in verdicts
        ],
        "summary": summary(verdicts),
    }


def _problems(verdicts: Sequence[Verdict], machines: Sequence[Machine]) -> Iterator[str]:
    silent = [machine for machine in machines if machine.silence]
    still = [verdict for verdict in verdicts if verdict.problems]
    if not silent and not still:
        return
    yield ""
    yield "Somebody has to act:"
    for machine in silent:
        yield f"- machine {machine.node} was not judged: {machine.silence}"
    for verdict in still:
        for problem in verdict.problems:
            yield from _entry(verdict.control.id, problem)


def _answer(verdict: Verdict) -> str:
    measured = f" Measured: {', '.join(verdict.measured)}." if verdict.measured else ""
    return f"{verdict.answer.text if verdict.answer else ''}{measured}"


def _entry(ids: str, text: str) -> Iterator[str]:
    yield from wrap(f"- {ids} {text}", _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _title(verdict: Verdict) -> str:
    return verdict.control.text.removesuffix("(Automated)").replace(_MANUAL, "(manual)").strip()
