"""Brings together controls, findings and answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tools.cis.answers import Answer
from tools.cis.benchmark import POLICIES, Control, concerns
from tools.cis.findings import FAIL, NOT_APPLICABLE, PASS, WARN, Finding, Machine, Measurement

_UNSEEN = Finding(WARN, "kube-bench has no findings about objects of the API here")


@dataclass(frozen=True)
class Verdict:
    """The judgement of one control.

    `findings` has what kube-bench found on each machine that the control concerns, or N/A if the machine does not have
    what the control is about. `answer` is set if a finding needs one and there is one; `measured` has its
    measurements, by machine, and by `API`. `problems` says what somebody has to do something about: if it is empty,
    then the control passes or is answered.
    """

    control: Control
    findings: Mapping[str, Finding]
    answer: Answer | None
    measured: Mapping[str, Measurement]
    problems: tuple[str, ...]

    @property
    def state(self) -> str:
        """The worst finding."""
        return worst(finding.state for finding in self.findings.values())


API = "the API"


def worst(states: Iterable[str]) -> str:
    """FAIL before WARN before PASS before N/A. A word that kube-bench did not have is worse."""
    order = (NOT_APPLICABLE, PASS, WARN, FAIL)
    return max(states, key=lambda state: order.index(state) if state in order else len(order), default="")


def judge(
    controls: Mapping[str, Control],
    roles: Mapping[str, Sequence[str]],
    machines: Iterable[Machine],
    api: Mapping[str, Measurement],
    answers: Mapping[str, Answer],
) -> tuple[Verdict, ...]:
    """The verdict about each control that concerns a machine with these roles. `api` has measurements with kubectl."""
    told = {machine.node: machine for machine in machines if not machine.silence}
    return tuple(
        _verdict(control, [node for node in roles if concerns(control, roles[node])], told, api, answers)
        for control in controls.values()
        if any(concerns(control, of) for of in roles.values())
    )


def _verdict(
    control: Control,
    nodes: Sequence[str],
    told: Mapping[str, Machine],
    api: Mapping[str, Measurement],
    answers: Mapping[str, Answer],
) -> Verdict:
    if control.target == POLICIES:
        findings = dict.fromkeys(nodes, _UNSEEN)
    else:
        findings = {n: told[n].findings[control.id] for n in nodes if n in told and control.id in told[n].findings}
    missing = [node for node in nodes if node in told and node not in findings]
    problems = [f"{node}: kube-bench has no finding" for node in missing]
    open_at = [node for node, finding in findings.items() if finding.state != PASS]
    answer = answers.get(control.id) if open_at else None
    measured: dict[str, Measurement] = {}
    if answer:
        measured = dict(_measured(control, answer, open_at, told, api))
        problems += _unproven(measured)
        if not answer.applies:
            proven = [node for node in open_at if measured[node].succeeded]
            findings |= {node: replace(findings[node], state=NOT_APPLICABLE) for node in proven}
    else:
        problems += [f"{node}: {findings[node].state} without an answer: {findings[node].actual}" for node in open_at]
    return Verdict(control, findings, answer, measured, tuple(problems))


def _measured(
    control: Control, answer: Answer, nodes: Iterable[str], told: Mapping[str, Machine], api: Mapping[str, Measurement]
) -> Iterator[tuple[str, Measurement]]:
    if answer.machine:
        for node in nodes:
            if node in told:
                yield node, told[node].measured.get(control.id, Measurement(False, "there is no measurement"))
    if answer.api:
        yield API, api.get(control.id, Measurement(False, "there is no measurement"))


def _unproven(measured: Mapping[str, Measurement]) -> Iterator[str]:
    for where, result in measured.items():
        if not result.succeeded:
            said = f": {result.said}" if result.said else ""
            yield f"{where}: the measurement shows that the answer does not hold{said}"
