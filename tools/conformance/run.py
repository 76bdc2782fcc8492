"""`make conformance`: runs upstream's conformance tests against a stack, and compares the results with answers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.common.answer import NoAnswerError
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.conformance import answers, choice, ginkgo, judge, namespaces, program, specs, stand_ins, table
from tools.conformance.program import Programs
from tools.conformance.specs import Result, Spec
from tools.operate import kubectl
from tools.operate.envsh import environment
from tools.operate.page import has_local_machines, load
from tools.operate.stack import Stack

_REQUEST_SECONDS = 60
_NODE_PORTS = range(30000, 32768)
"""What upstream's tests expect: test/e2e/framework/service/jig.go, NodePortRange."""


@dataclass(frozen=True)
class Options:
    """What the user wants. `given` is the folder of the programs (None: built ones), `more` has own answers."""

    everything: bool = False
    focus: str = ""
    processes: int = 0
    """How many specs run at once; 0: twice as many as this host has cores, since specs wait most of the time."""
    given: Path | None = None
    more: Path | None = None


def run(stack: Stack, options: Options) -> int:
    """Print the judgement. Returns 0 if each chosen spec passed or is answered, else 1.

    Raises ToolError if there are no programs, no kubectl or no cluster, or if an answer or a choice is wrong.
    """
    admin = kubectl.required(stack, _REQUEST_SECONDS)
    if not stack.clone.kubeconfig(stack.name).exists():
        stack.write_kubeconfig()
    try:
        before = namespaces.names(admin)
    except NoAnswerError as error:
        raise ToolError(f"the API of stack {stack.name} does not answer: {error}") from None
    programs = program.find(options.given)
    folder = stack.clone.state / stack.name / "conformance"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = ginkgo.known(programs, folder)
    chosen = choice.choose(known, everything=options.everything, focus=options.focus)
    files = (answers.FILE, *([options.more] if options.more else []))
    page = stack.clone.page(stack.name)
    local = has_local_machines(page)
    answered = answers.concerning(
        answers.read({path: _text(path) for path in files}, known), _conditions(page, local=local)
    )
    machines = images = None
    if local:
        images = stand_ins.archive()
        machines = stand_ins.of(stack.clone, stack.name, _workers(stack))
    problems: list[str] = []
    results: dict[str, Result] = {}
    try:
        if machines and images:
            stand_ins.bring(machines, images)
        left_out = judge.left_out(chosen, answered)
        run_now = [spec for spec in chosen if spec.name not in left_out]
        results, problems = _run(stack, programs, run_now, folder, admin[0], options)
    finally:
        staying = namespaces.remove(admin, before)
        if machines and images:
            stand_ins.take_away(machines, images)
    problems += [f"the namespace {name} of a test cannot be removed" for name in sorted(staying)]
    return _show(judge.judge(chosen, results, answered), problems, folder)


def _run(
    stack: Stack, programs: Programs, chosen: Iterable[Spec], folder: Path, kubectl_path: str, options: Options
) -> tuple[dict[str, Result], list[str]]:
    """The results, and why the suite as a whole failed."""
    results: dict[str, Result] = {}
    problems: list[str] = []
    for pattern in ("*.json", "*.xml", "*.log", "specs.txt"):
        for left in folder.glob(pattern):
            left.unlink()
    for each in ginkgo.rounds(chosen, options.processes or 2 * (os.cpu_count() or 1), choice.last()):
        report = ginkgo.run(programs, each, folder, _flags(stack, kubectl_path), _environment(stack))
        results |= specs.results(report)
        problems += specs.suite_failures(report)
    return results, problems


def _flags(stack: Stack, kubectl_path: str) -> list[str]:
    """The options of e2e.test. The provider `skeleton` is a cluster about which the tests know nothing more."""
    return [
        f"--kubeconfig={stack.clone.kubeconfig(stack.name)}",
        f"--kubectl-path={kubectl_path}",
        "--provider=skeleton",
        "--disable-log-dump",
    ]


def _environment(stack: Stack) -> Mapping[str, str]:
    return environment(stack.clone, stack.name, os.environ)


def _conditions(page: Path, *, local: bool) -> set[str]:
    same = load(page).network.node_ports == _NODE_PORTS
    return {*([answers.STAND_INS] if local else []), *([] if same else [answers.NODE_PORTS])}


def _workers(stack: Stack) -> list[str]:
    """The nodes on which pods of tests run: the others have a taint."""
    nodes = stack.known_outputs()["nodes"]
    return [name for name, facts in nodes.items() if "worker" in facts["roles"]]


def _show(verdicts: Sequence[judge.Verdict], problems: Sequence[str], folder: Path) -> int:
    listed = folder / "specs.txt"
    listed.write_text("".join(f"{line}\n" for line in table.listed(verdicts)))
    for line in table.lines(verdicts):
        print(line)
    for problem in problems:
        print(f"- the suite: {problem}")
    say(f"list, logs and JUnit reports are in {folder}")
    return int(bool(problems) or any(verdict.problem for verdict in verdicts))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from None
