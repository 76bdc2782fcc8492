"""The specs of upstream's tests, and what became of them: the JSON reports of ginkgo. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CONFORMANCE = "Conformance"
PASSED = "passed"
_SIG = re.compile(r"\[sig-([a-z-]+)\]")


@dataclass(frozen=True)
class Spec:
    """One spec. A serial one must not run beside another spec."""

    name: str
    is_serial: bool

    @property
    def sig(self) -> str:
        """The special interest group of Kubernetes that the spec belongs to, for example `node`."""
        found = _SIG.match(self.name)
        return found[1] if found else "none"


@dataclass(frozen=True)
class Result:
    """What became of a spec: a state of ginkgo, such as `passed`, `failed` or `timedout`; seconds; the message."""

    state: str
    seconds: float
    message: str = ""


def conformance(report: str) -> dict[str, Spec]:
    """The specs with the label Conformance in the report of a dry run, by name."""
    return {name: Spec(name, "Serial" in labels) for name, labels, _ in _specs(report) if CONFORMANCE in labels}


def results(report: str) -> dict[str, Result]:
    """The result of each spec that was chosen, by name."""
    found = {}
    for name, _, entry in _specs(report):
        message = entry.get("Failure", {}).get("Message", "")
        # Specs that were not chosen are skipped without a message.
        if entry["State"] != "skipped" or message:
            found[name] = Result(entry["State"], entry["RunTime"] / 1e9, " ".join(message.split()))
    return found


def suite_failures(report: str) -> list[str]:
    """Why the suite as a whole failed, apart from its specs: for example, nodes that are not ready."""
    found = []
    for suite in json.loads(report):
        found += suite.get("SpecialSuiteFailureReasons") or []
        for entry in suite["SpecReports"] or []:
            if entry["LeafNodeType"] != "It" and entry["State"] not in {PASSED, "skipped"}:
                found.append(
                    f"{entry['LeafNodeType']}: {' '.join(entry.get('Failure', {}).get('Message', '').split())}"
                )
    return found


def focus(names: Iterable[str]) -> list[str]:
    """The options with which ginkgo runs exactly these specs. It looks for a regular expression in the full name."""
    return [f"--focus={re.escape(name)}$" for name in names]


def _specs(report: str) -> Iterable[tuple[str, set[str], Mapping[str, Any]]]:
    for suite in json.loads(report):
        for entry in suite["SpecReports"] or []:
            if entry["LeafNodeType"] == "It":
                of_containers = [labels or [] for labels in entry["ContainerHierarchyLabels"] or []]
                labels = {*(entry["LeafNodeLabels"] or [])}.union(*of_containers)
                yield " ".join([*(entry["ContainerHierarchyTexts"] or []), entry["LeafNodeText"]]), labels, entry
