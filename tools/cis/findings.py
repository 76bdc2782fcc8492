"""What a machine says: the findings of kube-bench, and the results of measurements. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

PASS, FAIL, WARN = "PASS", "FAIL", "WARN"
"""kube-bench's words. WARN: the control is a manual one, and is not shown to be fulfilled."""
NOT_APPLICABLE = "N/A"
"""The project's word: a measurement shows that the machine does not have what the control is about. kube-bench calls
most controls about a file that does not exist FAIL."""


@dataclass(frozen=True)
class Finding:
    """What kube-bench found about one control on one machine. `actual` is what the audit printed, or the reason."""

    state: str
    actual: str = ""


@dataclass(frozen=True)
class Measurement:
    """The result of a measurement: whether it succeeded, and the last line that it printed."""

    succeeded: bool
    said: str = ""


@dataclass(frozen=True)
class Machine:
    """The answer of one machine. If `silence` is not empty, then it says why there is none."""

    node: str
    silence: str = ""
    findings: dict[str, Finding] = field(default_factory=dict)
    measured: dict[str, Measurement] = field(default_factory=dict)


def parse(node: str, text: str) -> Machine:
    """Read the output of cis.sh, which may have other lines. Raises ValueError if the output is cut off or wrong."""
    findings: dict[str, Finding] = {}
    measured: dict[str, Measurement] = {}
    ended = False
    for line in text.splitlines():
        name, *fields = line.split("\t")
        try:
            if name == "run":
                (document,) = fields
                findings |= _findings(json.loads(document))
            elif name == "measured":
                control, code, said = fields
                measured[control] = Measurement(int(code) == 0, said.strip())
            elif line == "end":
                ended = True
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"it printed something else than findings of kube-bench: {error}: {line[:80]!r}") from None
    if not ended:
        raise ValueError("its findings are cut off")
    return Machine(node, "", findings, measured)


def _findings(document: Any) -> dict[str, Finding]:
    return {
        check["test_number"]: Finding(check["status"], " ".join((check.get("reason") or check["actual_value"]).split()))
        for controls in document["Controls"]
        for group in controls["tests"] or ()
        for check in group["results"]
    }
