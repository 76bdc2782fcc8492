"""`make cis`: lets kube-bench judge every machine of a stack, and prints the findings with the project's answers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.cis import answers, archive, ask, benchmark, program, table
from tools.cis.answers import Answer
from tools.cis.benchmark import POLICIES, Control
from tools.cis.judge import judge
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.operate import kubectl
from tools.operate.envsh import environment
from tools.operate.stack import Stack

OUTPUT = "cis"
_REQUEST_SECONDS = 10


def run(stack: Stack, *, as_json: bool, given: Path | None, more: Path | None) -> int:
    """Print the judgement. Returns 1 if a machine was not judged, or a control neither passes nor is answered, else 0.

    `given` is the folder of kube-bench; None: the built one. `more` is a file with the operator's own answers. Raises
    ToolError if there is no kube-bench, no kubectl, a wrong answer, or no stack that says how to ask its machines.
    """
    known = stack.known_outputs()
    if not known.get(OUTPUT) or not known.get("nodes"):
        raise ToolError(f"stack {stack.name} does not say how to ask its machines: run `make up STACK={stack.name}`")
    kubectl.required(stack, _REQUEST_SECONDS)
    found = program.find(given)
    controls = benchmark.controls(found.benchmarks)
    answered = answers.read({path: _text(path) for path in (answers.FILE, *([more] if more else []))}, controls)
    roles: dict[str, Sequence[str]] = {node: facts["roles"] for node, facts in known["nodes"].items()}
    commands: dict[str, str] = known[OUTPUT]
    measures = {control: answer.machine for control, answer in answered.items() if answer.machine}
    packed = archive.pack(found, measures)
    say(f"runs kube-bench on {len(commands)} machines of stack {stack.name}; each gets {len(packed) / 1e6:.0f} MB ...")
    machines = ask.machines(
        commands,
        lambda node: archive.request(benchmark.runs(roles[node]), _on(roles[node], controls, measures), packed),
    )
    verdicts = judge(controls, roles, machines, _api(stack, controls, answered), answered)
    if as_json:
        print(json.dumps(table.document(stack.name, verdicts, roles, machines), indent=2))
    else:
        for line in table.lines(verdicts, roles, machines):
            print(line)
    return int(any(verdict.problems for verdict in verdicts) or any(machine.silence for machine in machines))


def _on(roles: Sequence[str], controls: Mapping[str, Control], measures: Mapping[str, str]) -> list[str]:
    """The controls whose measurements are taken on a machine with these roles."""
    return [control for control in measures if benchmark.concerns(controls[control], roles)]


def _api(stack: Stack, controls: Mapping[str, Control], answered: Mapping[str, Answer]) -> dict[str, ask.Measurement]:
    if not stack.clone.kubeconfig(stack.name).exists():
        stack.write_kubeconfig()
    scripts = {control: answer.api for control, answer in answered.items() if answer.api}
    assert all(controls[control].target == POLICIES for control in scripts)
    return ask.api(scripts, environment(stack.clone, stack.name, os.environ))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from None
