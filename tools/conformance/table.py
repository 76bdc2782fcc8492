"""The page that `make conformance` prints, and the list of all specs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from tools.conformance.judge import ANSWERED, LEFT_OUT, OPEN, STALE, STATES, Verdict

_WIDTH = 120
_LONGEST = 600
"""Characters of a message. The whole message is in the reports."""


def lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A row for each SIG, the answers, what is open, and the totals."""
    sigs = sorted({verdict.spec.sig for verdict in verdicts})
    columns = [state for state in STATES if any(verdict.state == state for verdict in verdicts)]
    width = max((len(sig) for sig in sigs), default=0)
    yield "  ".join(["SIG".ljust(width), *(column.rjust(8) for column in columns)])
    for sig in sigs:
        counts = [sum(v.spec.sig == sig and v.state == column for v in verdicts) for column in columns]
        numbers = [str(n).rjust(max(8, len(column))) for n, column in zip(counts, columns, strict=True)]
        yield "  ".join([sig.ljust(width), *numbers])
    answered = [verdict for verdict in verdicts if verdict.state in {ANSWERED, LEFT_OUT}]
    if answered:
        yield ""
        yield "Answered by the project:"
        together: dict[str, list[Verdict]] = {}
        for verdict in answered:
            together.setdefault(verdict.answer.text if verdict.answer else "", []).append(verdict)
        for text, these in together.items():
            yield from _entry(text)
            for verdict in these:
                yield f"    {verdict.state}: {verdict.spec.name}"
    still = [verdict for verdict in verdicts if verdict.problem]
    if still:
        yield ""
        yield "Somebody has to act:"
        for verdict in still:
            yield from _entry(f"{verdict.spec.name} {verdict.problem[:_LONGEST]}")
    yield ""
    yield summary(verdicts)


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line with the numbers."""
    counts = {state: sum(verdict.state == state for verdict in verdicts) for state in STATES}
    shown = [f"{count} {state}" for state, count in counts.items() if count or state not in {STALE, OPEN}]
    return f"{len(verdicts)} specs: {', '.join(shown)}; {counts[OPEN] + counts[STALE]} to act on"


def listed(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A line for each spec: its state, the seconds that it took, its name."""
    for verdict in verdicts:
        seconds = f"{verdict.result.seconds:.0f} s" if verdict.result else "-"
        yield f"{verdict.state:<12}  {seconds:>6}  {verdict.spec.name}"


def _entry(text: str) -> Iterator[str]:
    yield from wrap(f"- {text}", _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
