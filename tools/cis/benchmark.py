"""The benchmark that is run: its controls, and which of them concern a machine. Pure apart from reading the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.common.errors import ToolError

NAME = "cis-1.12"
"""The newest benchmark of kube-bench 0.15.6. components/node/scripts/cis.sh has the same name."""
MASTER, CONTROL_PLANE, ETCD, NODE, POLICIES = TARGETS = ("master", "controlplane", "etcd", "node", "policies")
"""The files of the benchmark. Policies are controls about objects of the API: no machine can be asked about them."""
OF_MEMBERS = ("1.1.7", "1.1.8", "1.1.11", "1.1.12")
"""Controls of MASTER about files of etcd, which are on another machine if members have machines of their own."""
ALL = "all"


@dataclass(frozen=True)
class Control:
    """A control of the benchmark. `target` is the file that has the control."""

    id: str
    text: str
    target: str

    @property
    def order(self) -> tuple[int, ...]:
        """The place of the control in the benchmark."""
        return tuple(int(part) for part in self.id.split("."))


@dataclass(frozen=True)
class Run:
    """One run of kube-bench on a machine. `checks` are the ids of controls; empty: all controls of the targets."""

    targets: tuple[str, ...]
    checks: tuple[str, ...] = ()

    def line(self) -> str:
        """The line that cis.sh reads."""
        return f"run {','.join(self.targets)} {','.join(self.checks) or ALL}"


def controls(benchmarks: Path) -> dict[str, Control]:
    """All controls of the benchmark by id. Raises ToolError if the folder does not have the benchmark."""
    found = {}
    for target in TARGETS:
        path = benchmarks / NAME / f"{target}.yaml"
        try:
            document = yaml.safe_load(path.read_text())
        except OSError as error:
            raise ToolError(
                f"{path}: {error.strerror}; this version of kube-bench lacks the benchmark {NAME}"
            ) from None
        for group in document["groups"]:
            for check in group["checks"]:
                control = Control(str(check["id"]), " ".join(check["text"].split()), target)
                found[control.id] = control
    return dict(sorted(found.items(), key=lambda entry: entry[1].order))


def runs(roles: Sequence[str]) -> tuple[Run, ...]:
    """The runs of kube-bench on a machine with these roles."""
    is_master, is_member = "control-plane" in roles, "etcd" in roles
    targets = [MASTER, CONTROL_PLANE] if is_master else []
    targets += [ETCD] if is_member else []
    targets += [NODE] if is_master or "worker" in roles else []
    found = [Run(tuple(targets))] if targets else []
    if is_member and not is_master:
        found.append(Run((MASTER,), OF_MEMBERS))
    return tuple(found)


def concerns(control: Control, roles: Sequence[str]) -> bool:
    """Whether a control is judged on a machine with these roles. For POLICIES: whether pods run there."""
    target = NODE if control.target == POLICIES else control.target
    return any(target in run.targets and (not run.checks or control.id in run.checks) for run in runs(roles))


def kind(roles: Sequence[str]) -> str:
    """The kind of a machine, as the page names it."""
    return "+".join(role for role in ("control-plane", "etcd", "worker") if role in roles)


def kinds(nodes: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The nodes of each kind, by the roles of the nodes."""
    found: dict[str, tuple[str, ...]] = {}
    for node, roles in nodes.items():
        found[kind(roles)] = (*found.get(kind(roles), ()), node)
    return dict(sorted(found.items()))
